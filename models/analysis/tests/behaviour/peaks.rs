use std::io::Cursor;

use harmonix_analysis::peaks::{Format, PeaksWriter, ZOOMS};

/// One second of stereo: a rising line on the left, constant on the right.
fn audio() -> Vec<f32> {
    (0..44_100u16).flat_map(|i| [f32::from(i) / 44_100.0 * 2.0 - 1.0, 0.25]).collect()
}

fn written(format: Format, zoom: u32, block: usize) -> Vec<u8> {
    let mut writer = PeaksWriter::new(Cursor::new(Vec::new()), format, 44_100, 2, zoom).unwrap();
    audio().chunks(block).for_each(|b| writer.push(b).unwrap());
    writer.finish().unwrap().into_inner()
}

#[test]
fn a_data_file_has_its_header_and_its_pixels() {
    for zoom in ZOOMS {
        let bytes = written(Format::Dat, zoom, 999);
        let word = |i: usize| u32::from_le_bytes(bytes[4 * i..4 * i + 4].try_into().unwrap());
        let length = 44_100u32.div_ceil(zoom);
        assert_eq!([0, 1, 2, 3, 4, 5].map(word), [2, 1, 44_100, zoom, length, 2]);
        assert_eq!(bytes.len() as u32, 24 + length * 4);
        let pixels: Vec<[i8; 4]> = bytes[24..].chunks(4).map(|p| [0, 1, 2, 3].map(|i| p[i] as i8)).collect();
        assert_eq!(pixels[0][0], -128);
        assert_eq!(pixels.last().unwrap()[1], 127);
        for p in &pixels {
            assert!(p[0] <= p[1]);
            assert_eq!(p[2..], [31, 31]);
        }
        assert!(pixels.windows(2).all(|p| p[0][1] <= p[1][1]));
    }
}

#[test]
fn a_json_file_says_the_same() {
    for zoom in ZOOMS {
        let dat = written(Format::Dat, zoom, 4096);
        let json: serde_json::Value = serde_json::from_slice(&written(Format::Json, zoom, 4096)).unwrap();
        for (name, value) in [("version", 2), ("channels", 2), ("sample_rate", 44_100), ("bits", 8)] {
            assert_eq!(json[name], value, "{name}");
        }
        assert_eq!(json["samples_per_pixel"], zoom);
        assert_eq!(json["length"], 44_100u32.div_ceil(zoom));
        let data: Vec<i64> = json["data"].as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect();
        let bytes: Vec<i64> = dat[24..].iter().map(|b| i64::from(*b as i8)).collect();
        assert_eq!(data, bytes);
    }
}

#[test]
fn blocks_may_be_cut_anywhere() {
    for format in [Format::Dat, Format::Json] {
        assert_eq!(written(format, 256, 1), written(format, 256, 100_000));
    }
}

#[test]
fn odd_samples_are_written_as_what_they_come_nearest_to() {
    let mut writer = PeaksWriter::new(Cursor::new(Vec::new()), Format::Json, 8000, 1, 4).unwrap();
    writer.push(&[f32::NAN, f32::INFINITY, -7.0, 0.0]).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&writer.finish().unwrap().into_inner()).unwrap();
    assert_eq!(json["data"], serde_json::json!([-128, 127]));
    let empty = PeaksWriter::new(Cursor::new(Vec::new()), Format::Json, 8000, 1, 4).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&empty.finish().unwrap().into_inner()).unwrap();
    assert_eq!(json["length"], 0);
    assert!(PeaksWriter::new(Cursor::new(Vec::new()), Format::Dat, 8000, 0, 4).is_err());
    assert!(PeaksWriter::new(Cursor::new(Vec::new()), Format::Dat, 8000, 1, 0).is_err());
}
