//! The type that papers are set in: IBM Plex Sans, of which each PDF carries the letters that it uses. Its figures are all
//! of one width, so columns of times and amounts stand straight.

use krilla::text::{Font, GlyphId, KrillaGlyph};
use skrifa::{
    FontRef, MetadataProvider,
    charmap::Charmap,
    instance::{LocationRef, Size},
    metrics::GlyphMetrics,
};
use unicode_normalization::UnicodeNormalization;

const REGULAR: &[u8] = include_bytes!("fonts/IBMPlexSans-Regular.ttf");
const BOLD: &[u8] = include_bytes!("fonts/IBMPlexSans-SemiBold.ttf");
/// Stands for what the type has no letter for.
const UNKNOWN: char = '?';

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    Regular,
    Bold,
}

#[derive(Clone)]
pub struct Face {
    regular: Cut,
    bold: Cut,
}

#[derive(Clone)]
struct Cut {
    font: Font,
    letters: Charmap<'static>,
    metrics: GlyphMetrics<'static>,
    units: f32,
}

impl Face {
    /// `None`: the files in this program are damaged.
    pub fn load() -> Option<Self> {
        Some(Self { regular: Cut::load(REGULAR)?, bold: Cut::load(BOLD)? })
    }

    fn cut(&self, weight: Weight) -> &Cut {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
        }
    }

    pub fn font(&self, weight: Weight) -> Font {
        self.cut(weight).font.clone()
    }

    /// The text with nothing in it that cannot be set: an accent that the type lacks is left off, a letter that it lacks
    /// becomes a question mark. Spaces of every kind are plain ones, so that a reader finds words where it looks for them.
    pub fn settable(&self, text: &str) -> String {
        let has = |letter: char| self.regular.glyph(letter).is_some() && self.bold.glyph(letter).is_some();
        let mut set = String::with_capacity(text.len());
        for letter in text.nfc() {
            if letter.is_whitespace() || letter.is_control() {
                set.push(' ');
            } else if has(letter) {
                set.push(letter);
            } else if !unicode_normalization::char::is_combining_mark(letter) {
                let before = set.len();
                set.extend(std::iter::once(letter).nfkd().filter(|part| has(*part)));
                if set.len() == before {
                    set.push(UNKNOWN);
                }
            }
        }
        set
    }

    pub fn width(&self, text: &str, weight: Weight, size: f32) -> f32 {
        let cut = self.cut(weight);
        text.chars().map(|letter| cut.advance(letter)).sum::<f32>() * size
    }

    pub fn glyphs(&self, text: &str, weight: Weight) -> Vec<KrillaGlyph> {
        let cut = self.cut(weight);
        text.char_indices()
            .map(|(at, letter)| {
                let glyph = GlyphId::new(cut.glyph(letter).unwrap_or_default());
                let range = at..at + letter.len_utf8();
                KrillaGlyph::new(glyph, cut.advance(letter), 0.0, 0.0, 0.0, range, None)
            })
            .collect()
    }
}

impl Cut {
    fn load(bytes: &'static [u8]) -> Option<Self> {
        let font = FontRef::new(bytes).ok()?;
        let units = f32::from(font.metrics(Size::unscaled(), LocationRef::default()).units_per_em);
        Some(Self {
            letters: font.charmap(),
            metrics: font.glyph_metrics(Size::unscaled(), LocationRef::default()),
            font: Font::new(bytes.into(), 0)?,
            units,
        })
    }

    fn glyph(&self, letter: char) -> Option<u32> {
        self.letters.map(letter).map(|glyph| glyph.to_u32())
    }

    /// In parts of the size.
    fn advance(&self, letter: char) -> f32 {
        let glyph = self.letters.map(letter).unwrap_or_default();
        self.metrics.advance_width(glyph).unwrap_or_default() / self.units
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::airports::Airports;

    #[test]
    fn every_airport_and_city_of_the_world_can_be_set_as_it_is_written() {
        let face = Face::load().unwrap();
        for airport in Airports::world().all() {
            for text in [&airport.name, &airport.city] {
                assert_eq!(face.settable(text), text.replace('\u{a0}', " "));
            }
        }
    }

    #[test]
    fn names_keep_their_letters_and_what_cannot_be_set_breaks_nothing() {
        let face = Face::load().unwrap();
        for name in [
            "Nguyễn Thị Ánh",
            "Þórður Ægisson",
            "Łukasz Żółć",
            "Şebnem Ğ",
            "Ελένη",
            "Дмитрий",
            "O’Brien–Íñiguez",
        ] {
            assert_eq!(face.settable(name), name);
        }
        // Composed of parts, and with an accent that the type has not.
        assert_eq!(face.settable("Ine\u{302}s"), "Inês");
        assert_eq!(face.settable("q\u{20d0}"), "q");
        assert_eq!(face.settable("東京 🛫 مرحبا"), "?? ? ?????");
        assert_eq!(face.settable("a\u{a0}b\tc\nd\u{202f}e"), "a b c d e");
        assert_eq!(face.settable("ﬁne"), "ﬁne");
    }

    #[test]
    fn figures_are_all_of_one_width() {
        let face = Face::load().unwrap();
        for weight in [Weight::Regular, Weight::Bold] {
            let widths: Vec<f32> =
                ('0'..='9').map(|figure| face.width(&figure.to_string(), weight, 10.0)).collect();
            assert!(widths.iter().all(|width| (width - widths[0]).abs() < f32::EPSILON), "{widths:?}");
        }
    }
}
