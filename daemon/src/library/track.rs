//! One track: made, used again, edited.

use harmonix_ipc::{Deed, EditTrack, Error, ErrorKind, Result, Track, TrackId};

use super::{check_name, news::Completed, text};

/// Most tags of a track.
const TAGS: usize = 64;

/// The track of a song that was not there before.
pub(super) fn new(id: TrackId, completed: Completed, at: f64) -> Track {
    let Completed { owner, name, audio, input, bpm, key, camelot, job, .. } = completed;
    Track {
        id,
        owner,
        file: name.clone(),
        name,
        audio,
        input,
        bpm,
        key,
        camelot,
        tags: Vec::new(),
        favourite: false,
        archived: false,
        jobs: vec![job],
        uses: 1,
        added_at: at,
        used_at: at,
        edited_at: None,
    }
}

/// The track once another job on it is completed: it is on the shelf again.
pub(super) fn used(mut track: Track, completed: Completed, at: f64) -> Track {
    track.jobs.retain(|job| job.id != completed.job.id);
    track.jobs.push(completed.job);
    track.uses += 1;
    track.used_at = track.used_at.max(at);
    track.archived = false;
    track.bpm = completed.bpm.or(track.bpm);
    track.key = completed.key.or(track.key);
    track.camelot = completed.camelot.or(track.camelot);
    track
}

/// Changes a track as asked for; says what that was.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] when nothing is asked for, or a name or tag cannot be one. Nothing is changed then.
pub(super) fn edit(track: &mut Track, edit: &EditTrack, at: f64) -> Result<Deed> {
    edit.name.as_deref().map_or(Ok(()), check_name)?;
    edit.add_tags.iter().try_for_each(|tag| text(tag, 100, "a tag"))?;
    let mut tags = track.tags.clone();
    tags.extend(edit.add_tags.iter().map(|tag| tag.trim().to_owned()));
    tags.retain(|tag| !edit.remove_tags.contains(tag));
    tags.sort();
    tags.dedup();
    if tags.len() > TAGS {
        return Err(Error::new(ErrorKind::InvalidRequest, format!("a song has at most {TAGS} tags")));
    }
    let asks = edit.favourite.is_some() || !edit.add_tags.is_empty() || !edit.remove_tags.is_empty();
    let deed = match (edit.archived, &edit.name) {
        (Some(true), _) => Deed::Archived,
        (Some(false), _) => Deed::Restored,
        (None, Some(_)) => Deed::Renamed,
        (None, None) if asks => Deed::Edited,
        (None, None) => {
            return Err(Error::new(ErrorKind::InvalidRequest, "nothing is to be changed")
                .hint("give name, add_tags, remove_tags, favourite or archived"));
        }
    };
    track.tags = tags;
    if let Some(name) = &edit.name {
        track.name = name.trim().to_owned();
    }
    track.favourite = edit.favourite.unwrap_or(track.favourite);
    track.archived = edit.archived.unwrap_or(track.archived);
    track.edited_at = Some(at);
    Ok(deed)
}

/// The texts that a search looks at.
pub(super) fn texts(track: &Track) -> impl Iterator<Item = &str> {
    [track.name.as_str(), track.file.as_str()].into_iter().chain(track.tags.iter().map(String::as_str))
}
