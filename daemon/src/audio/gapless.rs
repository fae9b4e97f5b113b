//! Which frames of a compressed stream are audio, where the demuxer leaves that to us.
//!
//! The demuxer of MP3 trims to an estimate when a file has no tag, and the demuxer of MP4 does not trim.

use std::fs::File;

use symphonia::core::{
    formats::{FormatReader, Track},
    units::Duration,
};

use super::{mp4, trim::Trim};

/// By the LAME tag, if there is one.
pub(super) fn mp3(track: &Track) -> Trim {
    match (track.delay, track.num_frames) {
        (Some(delay), Some(frames)) => Trim {
            skip: u64::from(delay),
            keep: Some(frames),
            // One packet more than the padding: some encoders count a packet too few.
            slack: Some(u64::from(track.padding.unwrap_or(0)) + 1152),
            scale: None,
        },
        (delay, _) => Trim { skip: u64::from(delay.unwrap_or(0)), ..Trim::default() },
    }
}

/// By iTunSMPB, which is exact, or by the edit list together with the length of the track.
pub(super) fn mp4(
    file: &File,
    format: &mut dyn FormatReader,
    track: &Track,
    warnings: &mut Vec<String>,
) -> Trim {
    let scale = track.time_base.map(|base| base.denom.get());
    let part = |skip, keep| Trim { skip, keep: Some(keep), slack: None, scale };
    // A fragmented file does not say its length in front.
    let total = track.duration.map(Duration::get).filter(|ticks| *ticks > 0);
    if let Some((delay, frames)) = itunes_gapless(format)
        && total.is_none_or(|total| delay.saturating_add(frames) <= total)
    {
        return part(delay, frames);
    }
    let edit = mp4::edit(file, track.id).unwrap_or_else(|()| {
        warnings.push("the file has several edits: the whole track was kept".to_owned());
        None
    });
    let Some(total) = total else {
        return Trim { skip: edit.map_or(0, |edit| edit.start), scale, ..Trim::default() };
    };
    let Some(edit) = edit.filter(|edit| edit.start < total) else { return part(0, total) };
    let rest = total - edit.start;
    // The edit's length counts in ticks of the movie, which are coarse: within one tick the track is right.
    let tick = f64::from(edit.track_scale) / f64::from(edit.movie_scale);
    let wanted = edit.duration as f64 * tick;
    let cut = edit.duration > 0 && wanted + tick + 1.0 < rest as f64;
    part(edit.start, if cut { wanted.round() as u64 } else { rest })
}

/// Delay and length in frames from an iTunSMPB tag: hexadecimal words, the second to the fourth matter.
fn itunes_gapless(format: &mut dyn FormatReader) -> Option<(u64, u64)> {
    let mut metadata = format.metadata();
    let tags = &metadata.skip_to_latest()?.media.tags;
    let value = tags.iter().find(|tag| tag.raw.key.ends_with("iTunSMPB"))?.raw.value.to_string();
    let words: Vec<u64> =
        value.split_ascii_whitespace().map_while(|word| u64::from_str_radix(word, 16).ok()).collect();
    match words[..] {
        [_, delay, _, frames, ..] if frames > 0 => Some((delay, frames)),
        _ => None,
    }
}
