//! Models as clients see them.

use harmonix_engine::protocol::Architecture;
use harmonix_ipc::{
    Consent, FileState, ModelDetails, ModelFile, ModelList, ModelState, ModelSummary, Result,
};

use super::{
    Entry, Member, ModelStore,
    digest::Expected,
    download::shown,
    record::Record,
    store::{expected, is_agreed, present},
};

impl ModelStore {
    /// Every model.
    pub fn list(&self) -> ModelList {
        let summary = |entry: &Entry| self.record(&entry.id, |record| summary(entry, record));
        ModelList { models: self.catalogue().all().iter().map(summary).collect() }
    }

    /// One model.
    pub fn details(&self, id: &str) -> Result<ModelDetails> {
        let entry = self.entry(id)?;
        Ok(self.record(id, |record| ModelDetails {
            model: summary(entry, record),
            terms: entry.licence.clone(),
            consent: record
                .consent
                .as_ref()
                .filter(|_| is_agreed(entry, record))
                .map(|agreed| Consent { uid: agreed.uid, at: agreed.at }),
            files: entry.members.iter().map(|member| file(member, record)).collect(),
            notes: Vec::new(),
        }))
    }
}

fn summary(entry: &Entry, record: &Record) -> ModelSummary {
    let states: Vec<_> = entry.members.iter().map(|member| state(member, record)).collect();
    let state = match () {
        () if states.is_empty() => ModelState::BuiltIn,
        () if states.iter().all(|state| *state == FileState::Present) => ModelState::Installed,
        () if states.contains(&FileState::Damaged) => ModelState::Damaged,
        () if states.contains(&FileState::Present) => ModelState::Partial,
        () => ModelState::Missing,
    };
    let bytes =
        entry.members.iter().filter_map(|member| present(member, record)).map(|kept| kept.bytes).sum();
    ModelSummary {
        id: entry.id.clone(),
        title: entry.title.clone(),
        kind: entry.kind.clone(),
        architecture: match entry.architecture {
            Architecture::Spectral => "spectral".into(),
            Architecture::Htdemucs => "htdemucs".into(),
        },
        sources: entry.sources.clone(),
        state,
        bytes,
        licence: entry.licence.name.clone(),
    }
}

/// How a member's file is.
fn state(member: &Member, record: &Record) -> FileState {
    match record.file(&member.file) {
        Some(_) if present(member, record).is_some() => FileState::Present,
        Some(kept) if kept.state == FileState::Damaged => FileState::Damaged,
        // a file that is there but is not what the catalogue says now is not the file
        _ => FileState::Missing,
    }
}

fn file(member: &Member, record: &Record) -> ModelFile {
    let kept = present(member, record);
    let sha256 = match expected(member, record) {
        Expected::Full(sha256) => Some(sha256),
        Expected::Prefix(_) | Expected::Unknown => None,
    };
    ModelFile {
        name: member.file.clone(),
        signature: member.signature.clone(),
        state: state(member, record),
        bytes: kept.map(|kept| kept.bytes).or(member.size),
        pinned: sha256.is_some() && member.sha256.is_none(),
        sha256,
        sha256_prefix: member.sha256_prefix.clone(),
        from: kept.map(|kept| kept.from.clone()),
        at: kept.map(|kept| kept.at),
        urls: member.urls.iter().map(|url| shown(url)).collect(),
    }
}
