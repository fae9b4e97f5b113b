use crate::{Error, Result};

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

/// Pixels to draw on, from the top left. What lies outside is dropped.
pub(super) struct Canvas {
    pub(super) width: usize,
    height: usize,
    pixels: Vec<Colour>,
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize, background: Colour) -> Self {
        Self { width, height, pixels: vec![background; width * height] }
    }

    pub(super) fn set(&mut self, x: usize, y: usize, colour: Colour) {
        self.blend(x, y, colour, 1.0);
    }

    /// Covers a pixel with `opacity` between 0 and 1.
    pub(super) fn blend(&mut self, x: usize, y: usize, colour: Colour, opacity: f64) {
        if x < self.width && y < self.height {
            for (below, above) in self.pixels[y * self.width + x].iter_mut().zip(colour) {
                *below = (f64::from(*below) * (1.0 - opacity) + f64::from(above) * opacity).round() as u8;
            }
        }
    }

    pub(super) fn rectangle(
        &mut self,
        x: usize,
        y: usize,
        width: usize,
        height: usize,
        colour: Colour,
        opacity: f64,
    ) {
        for row in y..y + height {
            for column in x..x + width {
                self.blend(column, row, colour, opacity);
            }
        }
    }

    /// Writes text of `8 · scale` pixels a character with its top left corner here; what is not ASCII becomes `?`.
    pub(super) fn text(&mut self, x: usize, y: usize, scale: usize, colour: Colour, text: &str) {
        for (index, letter) in text.chars().enumerate() {
            let code =
                if letter.is_ascii() && !letter.is_ascii_control() { letter as usize } else { b'?'.into() };
            for (row, bits) in font8x8::legacy::BASIC_LEGACY[code].iter().enumerate() {
                for column in (0..8).filter(|column| bits >> column & 1 == 1) {
                    let left = x + (8 * index + column) * scale;
                    self.rectangle(left, y + row * scale, scale, scale, colour, 1.0);
                }
            }
        }
    }

    /// [`text`](Self::text) that ends before `right`.
    pub(super) fn text_before(&mut self, right: usize, y: usize, scale: usize, colour: Colour, text: &str) {
        self.text(right.saturating_sub(text_width(text, scale)), y, scale, colour, text);
    }

    pub(super) fn into_png(self) -> Result<Vec<u8>> {
        png_bytes(self.width as u32, self.height as u32, self.pixels.as_flattened())
    }
}

/// Width of a text in pixels.
pub(super) fn text_width(text: &str, scale: usize) -> usize {
    8 * scale * text.chars().count()
}

/// Encodes `width × height` pixels of three bytes, row by row from the top, as PNG.
pub fn png_bytes(width: u32, height: u32, rgb: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(rgb))
        .map_err(|e| Error::input(format!("encode {width} × {height} pixels: {e}")))?;
    Ok(bytes)
}
