//! One network or a bag of them as a [`Separator`].

use std::ops::Range;

use harmonix_engine::{
    Conditions, EngineError, ModelInfo, Monitor, Segments, Separator, TrackStats,
    protocol::{Member, Model, Note, Precision},
    spool::SpoolReader,
};
use sha2::{Digest, Sha256};
use tch::{Device, Tensor};

use crate::{Checkpoint, Error, device, fallback::Placement, network::Network};

/// A bag of networks that separates.
pub struct HtDemucs {
    info: ModelInfo,
    window: Vec<f32>,
    fills_up: bool,
    members: Vec<Member>,
    /// All of the networks' sources; the wanted ones among them.
    wanted: Vec<usize>,
    networks: Vec<Network>,
    precision: Precision,
    /// Why the precision is not the one that was asked for.
    instead: Option<&'static str>,
    placement: Placement,
    notes: Vec<Note>,
    /// Mean and scale of the track.
    normal: (f64, f64),
}

impl HtDemucs {
    /// Loads the members of `model` that contribute to one of `sources` (to any, when empty), and no other one.
    ///
    /// # Errors
    /// [`EngineError::ModelCorrupt`] for a file with another digest or one that is no checkpoint, [`EngineError::Model`] for
    /// a network that cannot be computed here, [`EngineError::Device`], [`EngineError::OutOfMemory`].
    pub fn open(
        model: &Model,
        sources: &[String],
        device: &str,
        precision: Precision,
    ) -> Result<Self, EngineError> {
        Ok(Self::load(model, sources, device::find(device)?, precision)?)
    }

    fn load(model: &Model, sources: &[String], device: Device, precision: Precision) -> Result<Self, Error> {
        let refuse = |message: String| Error::Engine(EngineError::Model(message));
        let all = &model.sources;
        if let Some(member) = model.members.iter().find(|member| member.blend.len() != all.len()) {
            return Err(refuse(format!("{} weights for {} sources", member.blend.len(), all.len())));
        }
        let wanted: Vec<usize> =
            (0..all.len()).filter(|at| sources.is_empty() || sources.contains(&all[*at])).collect();
        if wanted.is_empty() || sources.iter().any(|name| !all.contains(name)) {
            return Err(refuse(format!("the model's stems are {}", all.join(", "))));
        }
        let needed = |member: &Member| wanted.iter().any(|source| member.blend[*source] != 0.0);
        let members: Vec<Member> = model.members.iter().filter(|member| needed(member)).cloned().collect();
        if wanted.iter().any(|source| members.iter().map(|member| member.blend[*source]).sum::<f32>() <= 0.0)
        {
            return Err(refuse("a stem that no member of the bag contributes to".into()));
        }
        let networks = Self::networks(&members, device, precision)?;
        let config = networks.first().ok_or_else(|| refuse("a model without members".into()))?.config();
        let (segment, rate, channels) = (config.segment, config.sample_rate, config.audio_channels as usize);
        let fills_up = config.padded;
        if let Some(other) = networks.iter().find(|network| network.config().sources != *all) {
            let found = other.config().sources.join(", ");
            return Err(refuse(format!("its file has the stems {found}, not {}", all.join(", "))));
        }
        let alike = |network: &Network| {
            let config = network.config();
            (config.segment, config.sample_rate, config.audio_channels as usize) == (segment, rate, channels)
        };
        if !networks.iter().all(alike) {
            return Err(refuse("the members of the bag differ in segment, rate or channels".into()));
        }
        let digests = members.iter().map(|member| member.sha256.as_str()).collect::<Vec<_>>().join("+");
        let fingerprint = match members.as_slice() {
            [only] => only.sha256.clone(),
            _ => Sha256::digest(digests).iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        let sources = wanted.iter().map(|at| all[*at].clone()).collect();
        let info =
            ModelInfo { id: model.id.clone(), fingerprint, sources, sample_rate: rate, channels, segment };
        let (precision, instead) = available(precision, device);
        let placement = Placement::on(device);
        Ok(Self {
            info,
            window: triangle(segment),
            fills_up,
            members,
            wanted,
            networks,
            precision,
            instead,
            placement,
            notes: Vec::new(),
            normal: (0.0, 1.0),
        })
    }

    fn networks(members: &[Member], device: Device, precision: Precision) -> Result<Vec<Network>, Error> {
        let (arithmetic, _) = device::arithmetic(precision, device);
        let _no_grad = tch::no_grad_guard();
        let network = |member: &Member| {
            Network::new(Checkpoint::open(&member.file, &member.sha256)?, device, arithmetic)
        };
        members.iter().map(network).collect()
    }

    fn note(&mut self, kind: &str, message: String) {
        if self.notes.len() < 16 {
            self.notes.push(Note { kind: kind.to_owned(), message });
        }
    }

    /// Separates some segments with what memory there is.
    fn with_less_memory(
        &mut self,
        mix: &[f32],
        inside: &[Range<usize>],
        stems: &mut [f32],
        monitor: &dyn Monitor,
    ) -> Result<(), Error> {
        let (batch, per_mix, per_stems) =
            (inside.len(), mix.len() / inside.len(), stems.len() / inside.len());
        let mut done = 0;
        while done < batch {
            let count = self.placement.batch.min(batch - done);
            let part = done..done + count;
            let mix = &mix[done * per_mix..(done + count) * per_mix];
            let span = harmonix_engine::Span::new(
                monitor,
                done as f64 / batch as f64,
                (done + count) as f64 / batch as f64,
            );
            let output = &mut stems[done * per_stems..(done + count) * per_stems];
            let computed = self.input(mix, &inside[part]).and_then(|input| {
                compute(&self.networks, &self.members, &self.wanted, self.normal, &input, output, &span)
            });
            match computed {
                Ok(()) => done += count,
                Err(error) => self.degrade(error)?,
            }
        }
        Ok(())
    }

    /// `[batch, channels, frames]` on the device, normalised; zero outside of the track.
    fn input(&self, mix: &[f32], inside: &[Range<usize>]) -> crate::Out {
        let channels = self.info.channels as i64;
        let (mean, scale) = self.normal;
        let x = Tensor::f_from_slice(mix)?.f_view([inside.len() as i64, -1, channels])?;
        let x = x.f_transpose(1, 2)?.f_sub_scalar(mean)?.f_div_scalar(scale)?.f_contiguous()?;
        let frames = x.size()[2];
        for (at, range) in inside.iter().enumerate() {
            let (start, end) = (range.start as i64, range.end as i64);
            let segment = x.f_select(0, at as i64)?;
            let _ = segment.f_narrow(1, 0, start)?.f_zero_()?;
            let _ = segment.f_narrow(1, end, frames - end)?.f_zero_()?;
        }
        Ok(x.f_to_device(self.placement.device)?)
    }

    /// Loads the networks again, on another device or in another arithmetic.
    fn reload(&mut self, device: Device, precision: Precision) -> Result<(), Error> {
        // first, so that both never lie in memory
        self.networks.clear();
        self.networks = Self::networks(&self.members, device, precision)?;
        let (precision, instead) = available(precision, device);
        self.precision = precision;
        if let Some(instead) = instead {
            self.note("precision", instead.to_owned());
        }
        Ok(())
    }

    /// Goes on with less after memory ran out; any other error is handed on.
    fn degrade(&mut self, error: Error) -> Result<(), Error> {
        let error = EngineError::from(error);
        let EngineError::OutOfMemory(message) = &error else { return Err(error.into()) };
        let Some(less) = self.placement.less() else { return Err(error.into()) };
        if less.device == self.placement.device {
            self.note("smaller_batch", format!("{message}: went on with {} segments at once", less.batch));
        } else {
            self.note("fallback", format!("{message}: went on with the cpu"));
            self.reload(less.device, self.precision)?;
        }
        self.placement = less;
        Ok(())
    }
}

/// The arithmetic that a device computes in when `precision` is asked for, and why if it is another one.
fn available(precision: Precision, device: Device) -> (Precision, Option<&'static str>) {
    match device::arithmetic(precision, device) {
        (_, None) => (precision, None),
        (_, instead) => (Precision::F32, instead),
    }
}

/// Runs the networks over normalised segments and writes `[batch, source, frames, channels]`.
fn compute(
    networks: &[Network],
    members: &[Member],
    wanted: &[usize],
    (mean, scale): (f64, f64),
    input: &Tensor,
    stems: &mut [f32],
    monitor: &dyn Monitor,
) -> Result<(), Error> {
    let mut sum: Option<Tensor> = None;
    let total: Vec<f32> =
        wanted.iter().map(|source| members.iter().map(|member| member.blend[*source]).sum()).collect();
    let steps = networks.iter().map(Network::ticks).sum::<usize>() as f64;
    let mut ticks = 0.0;
    for (network, member) in networks.iter().zip(members) {
        let out = network.forward(input, &mut || {
            ticks += 1.0;
            monitor.progress(ticks / steps);
            if monitor.cancelled() { Err(EngineError::Cancelled.into()) } else { Ok(()) }
        })?;
        let mut parts = Vec::new();
        for (source, total) in wanted.iter().zip(&total) {
            let part = out.f_select(1, *source as i64)?;
            let weight = f64::from(member.blend[*source] / total);
            parts.push(if weight == 1.0 { part } else { part.f_mul_scalar(weight)? });
        }
        let part = Tensor::f_stack(&parts, 1)?;
        sum = Some(match sum {
            Some(sum) => sum.f_add(&part)?,
            None => part,
        });
    }
    let Some(sum) = sum else { return Err(Error::Shape("an empty bag")) };
    let out = sum.f_transpose(2, 3)?.f_mul_scalar(scale)?.f_add_scalar(mean)?;
    let out = out.f_to_device(Device::Cpu)?.f_contiguous()?;
    let len = stems.len();
    out.f_copy_data(stems, len)?;
    Ok(())
}

/// The reference's overlap-add window: a triangle, largest in the middle, nowhere zero.
fn triangle(segment: usize) -> Vec<f32> {
    let half = segment - segment / 2;
    let up = 1..=segment / 2;
    up.chain((1..=half).rev()).map(|step| step as f32 / half as f32).collect()
}

impl Separator for HtDemucs {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn window(&self) -> &[f32] {
        &self.window
    }

    fn max_batch(&self) -> usize {
        self.placement.batch
    }

    fn conditions(&self) -> Conditions {
        let Placement { device, batch } = self.placement;
        Conditions { device: device::describe(device), precision: self.precision, batch }
    }

    fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    fn weight_bytes(&self) -> u64 {
        self.networks.iter().map(Network::weight_bytes).sum()
    }

    fn fills_up(&self) -> bool {
        self.fills_up
    }

    /// Takes the track's mean and deviation, with which the reference program normalises what it separates.
    fn prepare(&mut self, stats: &TrackStats, _: &SpoolReader, _: &dyn Monitor) -> Result<(), EngineError> {
        self.normal = (stats.mean, stats.std + 1e-8);
        if let Some(instead) = self.instead {
            self.note("precision", instead.to_owned());
        }
        Ok(())
    }

    fn separate(
        &mut self,
        segments: &Segments<'_>,
        stems: &mut [f32],
        monitor: &dyn Monitor,
    ) -> Result<(), EngineError> {
        let _no_grad = tch::no_grad_guard();
        self.with_less_memory(segments.mix, segments.inside, stems, monitor)?;
        if self.precision == Precision::Fast && !stems.iter().all(|sample| sample.is_finite()) {
            self.note("retried", "a segment was not finite in the fast precision: went on in f32".into());
            self.reload(self.placement.device, Precision::F32)?;
            self.with_less_memory(segments.mix, segments.inside, stems, monitor)?;
        }
        Ok(())
    }
}
