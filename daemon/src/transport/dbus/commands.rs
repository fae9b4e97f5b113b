//! `org.harmonix1.Commands`: every command of the schema as a method of its name, so that none needs code here.
//!
//! Arguments are the fields of the request by name, and an input comes first as a descriptor. A reply is the JSON text
//! of the control socket's reply line; outputs and lines come as descriptors. zbus calls the trait that this implements
//! unstable: an update of zbus may have to change it, and no more than it.

use std::{collections::HashMap, fmt::Write};

use harmonix_ipc::{COMMANDS, CommandInfo, Error, ErrorKind, Flow, Request, Result};
use serde_json::Value as Json;
use zbus::{
    BoxDBusError, Connection, Fd, Message, ObjectServer, OwnedFd, OwnedVariant, Variant,
    export::async_trait::async_trait,
    fdo,
    message::Header,
    names::{InterfaceName, MemberName},
    object_server::{DispatchResult, Interface, SignalEmitter},
};

use super::{
    bridge::{Answer, Bridge, unexpected},
    convert::{Arguments, to_json},
    failure::Failure,
};

/// The interface's name.
const NAME: &str = "org.harmonix1.Commands";

/// The interface.
pub(super) struct Commands {
    pub(super) bridge: Bridge,
}

/// The method of a command: `model_pull` → `ModelPull`.
fn method(command: &str) -> String {
    let mut name = String::new();
    for word in command.split('_') {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}

/// Arguments: names and signatures.
type Names = &'static [(&'static str, &'static str)];

/// What a command takes and gives.
fn signature(flow: Flow) -> (Names, Names) {
    const BY_NAME: (&str, &str) = ("arguments", "a{sv}");
    match flow {
        Flow::Call => (&[BY_NAME], &[("reply", "s")]),
        Flow::Upload => (&[("input", "h"), BY_NAME], &[("reply", "s")]),
        Flow::Download => (&[BY_NAME], &[("output", "h"), ("reply", "s")]),
        Flow::Stream | Flow::Progress => (&[BY_NAME], &[("lines", "h")]),
    }
}

/// The request that a command's arguments make.
fn request(command: &str, arguments: &Arguments) -> Result<Request> {
    let mut fields = to_json(arguments)?;
    if fields.insert("command".into(), command.into()).is_some() {
        return Err(Error::new(ErrorKind::InvalidRequest, "unknown field `command`"));
    }
    serde_json::from_value(Json::Object(fields))
        .map_err(|error| Error::new(ErrorKind::InvalidRequest, format!("not understood: {error}")))
}

impl Commands {
    /// Carries a call out and replies.
    async fn carry_out(
        &self,
        info: &CommandInfo,
        connection: &Connection,
        call: &Message,
    ) -> zbus::Result<()> {
        let header = call.header();
        match self.outcome(info, call).await {
            Ok(Answer::Reply(reply)) => connection.reply(&header, &text(&reply)).await,
            Ok(Answer::File(head, file)) => {
                let head = text(&harmonix_ipc::Reply::File(head));
                connection.reply(&header, &(Fd::from(file), head)).await
            }
            Ok(Answer::Excerpt(head, sound)) => {
                let head = text(&harmonix_ipc::Reply::Excerpt(head));
                connection.reply(&header, &(Fd::from(sound), head)).await
            }
            Ok(Answer::Lines(lines)) => connection.reply(&header, &Fd::from(lines)).await,
            Err(failure) => connection.reply_dbus_error(&header, failure).await,
        }
    }

    async fn outcome(&self, info: &CommandInfo, call: &Message) -> std::result::Result<Answer, Failure> {
        let body = call.body();
        let (input, arguments) = match info.flow {
            Flow::Upload => {
                let (input, arguments): (OwnedFd, Arguments) =
                    body.deserialize().map_err(|error| Failure::arguments(&error))?;
                (Some(input.into()), arguments)
            }
            Flow::Call | Flow::Download | Flow::Stream | Flow::Progress => {
                (None, body.deserialize().map_err(|error| Failure::arguments(&error))?)
            }
        };
        let answer = self.bridge.ask(&call.header(), request(info.name, &arguments)?, input).await?;
        let fits = matches!(
            (&answer, info.flow),
            (Answer::Reply(_), Flow::Call | Flow::Upload)
                | (Answer::File(..) | Answer::Excerpt(..), Flow::Download)
                | (Answer::Lines(_), Flow::Stream | Flow::Progress)
        );
        if fits { Ok(answer) } else { Err(unexpected().into()) }
    }
}

fn text(reply: &harmonix_ipc::Reply) -> String {
    serde_json::to_string(reply).unwrap_or_default()
}

#[async_trait]
impl Interface for Commands {
    fn name() -> InterfaceName<'static> {
        InterfaceName::from_static_str_unchecked(NAME)
    }

    async fn get(
        &self,
        _: &str,
        _: &ObjectServer,
        _: &Connection,
        _: Option<&Header<'_>>,
        _: &SignalEmitter<'_>,
    ) -> Option<std::result::Result<OwnedVariant, BoxDBusError>> {
        None
    }

    async fn get_all(
        &self,
        _: &ObjectServer,
        _: &Connection,
        _: Option<&Header<'_>>,
        _: &SignalEmitter<'_>,
    ) -> fdo::Result<HashMap<String, OwnedVariant>> {
        Ok(HashMap::new())
    }

    fn set<'call>(
        &'call self,
        _: &'call str,
        _: &'call Variant<'_>,
        _: &'call ObjectServer,
        _: &'call Connection,
        _: Option<&'call Header<'_>>,
        _: &'call SignalEmitter<'_>,
    ) -> DispatchResult<'call> {
        DispatchResult::NotFound
    }

    async fn set_mut(
        &mut self,
        _: &str,
        _: &Variant<'_>,
        _: &ObjectServer,
        _: &Connection,
        _: Option<&Header<'_>>,
        _: &SignalEmitter<'_>,
    ) -> Option<std::result::Result<(), BoxDBusError>> {
        None
    }

    fn call<'call>(
        &'call self,
        _: &'call ObjectServer,
        connection: &'call Connection,
        call: &'call Message,
        name: MemberName<'call>,
    ) -> DispatchResult<'call> {
        match COMMANDS.iter().find(|command| method(command.name) == name.as_str()) {
            None => DispatchResult::NotFound,
            Some(info) => DispatchResult::Async(Box::pin(async move {
                let failed = |error: zbus::Error| -> BoxDBusError {
                    Box::new(Failure(Error::new(ErrorKind::Internal, error.to_string())))
                };
                self.carry_out(info, connection, call).await.map_err(failed)
            })),
        }
    }

    fn call_mut<'call>(
        &'call mut self,
        _: &'call ObjectServer,
        _: &'call Connection,
        _: &'call Message,
        _: MemberName<'call>,
    ) -> DispatchResult<'call> {
        DispatchResult::NotFound
    }

    fn introspect_to_writer(&self, writer: &mut dyn Write, level: usize) {
        let _ = writer.write_str(&introspection(level));
    }
}

/// What the interface says of itself, with the text of each command.
fn introspection(level: usize) -> String {
    let indent = " ".repeat(level);
    let mut xml = format!("{indent}<interface name=\"{NAME}\">\n");
    for command in COMMANDS {
        let (takes, gives) = signature(command.flow);
        xml += &format!(
            "{indent}  <!--\n{indent}   {}\n{indent}   -->\n",
            command.doc.trim().replace("--", "- -")
        );
        xml += &format!("{indent}  <method name=\"{}\">\n", method(command.name));
        for (arguments, direction) in [(takes, "in"), (gives, "out")] {
            for (name, kind) in arguments {
                xml += &format!(
                    "{indent}    <arg name=\"{name}\" type=\"{kind}\" direction=\"{direction}\"/>\n"
                );
            }
        }
        xml += &format!("{indent}  </method>\n");
    }
    xml + &format!("{indent}</interface>\n")
}
