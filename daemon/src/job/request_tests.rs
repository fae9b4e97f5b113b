use super::*;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The published models, of which these are installed.
fn shelf(installed: &[&str]) -> Shelf {
    let four = ["drums", "bass", "other", "vocals"];
    let six = ["drums", "bass", "other", "vocals", "guitar", "piano"];
    let one = |id: &str, sources: &[&str], blends: Vec<Vec<f32>>| Shelved {
        id: id.into(),
        sources: names(sources),
        blends,
        installed: installed.contains(&id),
    };
    let specialist = |at: usize| (0..4).map(|source| if source == at { 1.0 } else { 0.0 }).collect();
    Shelf::new(vec![
        one("htdemucs", &four, vec![vec![1.0; 4]]),
        one("htdemucs_ft", &four, (0..4).map(specialist).collect()),
        one("htdemucs_6s", &six, vec![vec![1.0; 6]]),
        one("mean", &four, vec![vec![1.0; 4]; 2]),
    ])
}

fn asked(mode: Mode, stems: Option<&[&str]>) -> JobOptions {
    JobOptions { mode, stems: stems.map(names), ..JobOptions::default() }
}

fn resolved(mode: Mode, stems: Option<&[&str]>) -> Result<(Vec<String>, Vec<String>)> {
    let resolved = resolve(&asked(mode, stems), &Shelf::default())?;
    Ok((resolved.outputs.into_iter().map(|output| output.name).collect(), resolved.unavailable))
}

/// [SEP-01]
#[test]
fn presets_are_the_published_table() {
    let all = shelf(&["htdemucs", "htdemucs_ft", "htdemucs_6s"]);
    let table = Quality::ALL.map(|quality| {
        let resolved = resolve(&JobOptions { quality, ..JobOptions::default() }, &all).unwrap();
        assert_eq!((resolved.instead_of, resolved.computed == resolved.sources), (None, true));
        (resolved.model, resolved.layout.shifts, resolved.layout.overlap)
    });
    let expected =
        [("htdemucs", 0, 0.05), ("htdemucs", 0, 0.10), ("htdemucs_ft", 1, 0.25), ("htdemucs_6s", 5, 0.50)];
    assert_eq!(table, expected.map(|(model, shifts, overlap)| (model.to_owned(), shifts, overlap)));
}

#[test]
fn a_preset_without_its_model_says_so() {
    for quality in Quality::ALL {
        let options = JobOptions { quality, ..JobOptions::default() };
        let resolved = resolve(&options, &shelf(&["mean"])).unwrap();
        assert_eq!((resolved.model.as_str(), resolved.layout.shifts), ("spectral", 0));
        assert_eq!(resolved.instead_of.as_deref(), Some(model_of(quality)));
    }
}

/// [SEP-02, SEP-03, SEP-05]
#[test]
fn outputs_by_mode_and_filter() {
    assert_eq!(resolved(Mode::Grouped, None).unwrap().0, names(&["drums", "bass", "other", "vocals"]));
    assert_eq!(resolved(Mode::Karaoke, None).unwrap().0, names(&["vocals", "instrumental"]));
    assert_eq!(resolved(Mode::Grouped, Some(&["vocals", "drums"])).unwrap().0, names(&["drums", "vocals"]));
    let (made, unavailable) = resolved(Mode::PerInstrument, Some(&["guitar", "bass", "guitar"])).unwrap();
    assert_eq!((made, unavailable), (names(&["bass"]), names(&["guitar"])));
    let six = shelf(&["htdemucs_6s"]);
    let studio =
        JobOptions { quality: Quality::Studio, ..asked(Mode::PerInstrument, Some(&["guitar", "harp"])) };
    let studio = resolve(&studio, &six).unwrap();
    assert_eq!((studio.outputs[0].name.as_str(), studio.unavailable), ("guitar", names(&["harp"])));
    let karaoke = JobOptions { quality: Quality::Studio, ..asked(Mode::Karaoke, None) };
    assert_eq!(resolve(&karaoke, &six).unwrap().outputs[1].parts, [0, 1, 2, 4, 5]);
}

#[test]
fn what_cannot_be_made_is_refused_with_the_choices() {
    let cases: [(Mode, &[&str]); 6] = [
        (Mode::Grouped, &[]),
        (Mode::Grouped, &["guitar"]),
        (Mode::Karaoke, &["drums"]),
        (Mode::PerInstrument, &["guitar"]),
        (Mode::PerInstrument, &["bass", "../x"]),
        (Mode::PerInstrument, &["bass", ""]),
    ];
    for (mode, stems) in cases {
        let error = resolved(mode, Some(stems)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidRequest, "{mode} {stems:?}");
        assert!(error.hint.unwrap().contains("vocals"));
    }
}

#[test]
fn a_model_by_name_is_that_model_or_nothing() {
    let by_name = |id: &str| JobOptions { model: Some(id.into()), ..JobOptions::default() };
    let all = shelf(&["htdemucs"]);
    let htdemucs = resolve(&by_name("htdemucs"), &all).unwrap();
    assert_eq!((htdemucs.model.as_str(), htdemucs.instead_of, htdemucs.layout.shifts), ("htdemucs", None, 1));
    let spectral = resolve(&by_name("spectral"), &all).unwrap();
    assert_eq!((spectral.model.as_str(), spectral.instead_of), ("spectral", None));
    let missing = resolve(&by_name("htdemucs_ft"), &all).unwrap_err();
    assert_eq!(missing.kind, ErrorKind::ModelMissing);
    assert!(missing.hint.unwrap().contains("harmonixctl models pull htdemucs_ft"));
    let unknown = resolve(&by_name("best"), &all).unwrap_err();
    assert_eq!(unknown.kind, ErrorKind::InvalidRequest);
    assert!(unknown.hint.unwrap().contains("htdemucs_6s"));
}

#[test]
fn settings_take_the_place_of_the_presets_and_have_bounds() {
    let all = shelf(&["htdemucs_ft"]);
    let options = JobOptions {
        shifts: Some(3),
        overlap: Some(0.5),
        seed: 9,
        precision: Precision::Fast,
        ..JobOptions::default()
    };
    let neural = resolve(&options, &all).unwrap();
    assert_eq!(neural.layout, Layout { overlap: 0.5, shifts: 3, seed: 9 });
    assert_eq!(neural.precision, protocol::Precision::Fast);
    let built_in = resolve(&options, &Shelf::default()).unwrap();
    assert_eq!((built_in.layout.shifts, built_in.precision), (0, protocol::Precision::F32));
    let bad = [
        JobOptions { shifts: Some(21), ..JobOptions::default() },
        JobOptions { overlap: Some(0.96), ..JobOptions::default() },
        JobOptions { overlap: Some(-0.1), ..JobOptions::default() },
        JobOptions { overlap: Some(f64::NAN), ..JobOptions::default() },
    ];
    for options in bad {
        assert_eq!(resolve(&options, &all).unwrap_err().kind, ErrorKind::InvalidRequest, "{options:?}");
    }
}

#[test]
fn cuda_is_for_models_that_can_use_it() {
    let cuda = JobOptions { device: Device::Cuda, ..JobOptions::default() };
    assert_eq!(resolve(&cuda, &Shelf::default()).unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(resolve(&cuda, &shelf(&["htdemucs_ft"])).unwrap().model, "htdemucs_ft");
}

/// Only the specialists of the stems that are asked for.
#[test]
fn a_bag_of_specialists_computes_what_is_needed() {
    let bag = shelf(&["htdemucs_ft", "htdemucs", "mean"]);
    let one = resolve(&asked(Mode::Grouped, Some(&["vocals", "bass"])), &bag).unwrap();
    assert_eq!((one.computed.clone(), one.is_partial()), (names(&["bass", "vocals"]), true));
    let parts: Vec<_> = one.outputs.iter().map(|output| (output.name.as_str(), &output.parts[..])).collect();
    assert_eq!(parts, [("bass", &[0][..]), ("vocals", &[1][..])]);
    let over = one.outputs_over(&names(&["drums", "bass", "other", "vocals"])).unwrap();
    assert_eq!((over[0].parts[0], over[1].parts[0]), (1, 3));
    assert_eq!(one.outputs_over(&names(&["bass"])).unwrap_err().kind, ErrorKind::Separation);
    let karaoke = resolve(&asked(Mode::Karaoke, None), &bag).unwrap();
    assert!(!karaoke.is_partial());
    for whole in ["htdemucs", "mean", "spectral"] {
        let options = JobOptions { model: Some(whole.into()), ..asked(Mode::Grouped, Some(&["vocals"])) };
        let resolved = resolve(&options, &bag).unwrap();
        assert_eq!((resolved.computed.len(), resolved.outputs[0].parts[0]), (4, 3), "{whole}");
    }
}
