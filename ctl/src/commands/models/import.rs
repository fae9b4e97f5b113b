//! `harmonixctl models import`.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use harmonix_ipc::{ErrorKind, ModelDetails, ModelImport, client::ClientError};

use super::{consent, pull};
use crate::{context::Context, failure::Failure};

/// Install files of models that you have already, without a network
///
/// A file is known by its digest, or by its name where the catalogue has no digest of it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl models import 955717e8-8726e21a.th")]
pub(crate) struct Args {
    /// The file, `.th` or `.safetensors`
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only as a file of this model
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// You have read the model's licence and accept it; needed once
    #[arg(long, visible_alias = "accept-license")]
    accept_licence: bool,
}

pub(super) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    let accepted = match &args.model {
        Some(model) => consent::given(ctx, model, args.accept_licence)?,
        None => args.accept_licence,
    };
    let details = match send(ctx, args, accepted) {
        // which model it is, and so whose licence, is known only now
        Err(failure) if is_about_the_licence(&failure) && consent::can_ask(ctx) => {
            ctx.out.error(&failure);
            if !consent::ask(ctx, None) {
                return Err(failure);
            }
            send(ctx, args, true)?
        }
        other => other?,
    };
    ctx.out.json(&details);
    pull::finished(ctx, &details);
    Ok(0)
}

fn is_about_the_licence(failure: &Failure) -> bool {
    failure.kind() == ErrorKind::Denied && failure.error().message.starts_with("the licence of ")
}

fn send(ctx: &Context, args: &Args, accept_licence: bool) -> Result<ModelDetails, Failure> {
    let unreadable = |error: &io::Error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::PermissionDenied => ErrorKind::Denied,
            _ => ErrorKind::InvalidRequest,
        };
        Failure::here(kind, format!("cannot read {}", args.file.display())).cause(error)
    };
    let mut file = File::open(&args.file).map_err(|error| unreadable(&error))?;
    let size = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len());
    let name = args.file.file_name().unwrap_or(Path::new("").as_os_str()).to_string_lossy().into_owned();
    let import = ModelImport { name, size, model: args.model.clone(), accept_licence };
    ctx.connect()?.import(import, &mut file).map_err(|error| match error {
        ClientError::Local(error) => unreadable(&error),
        error => error.into(),
    })
}
