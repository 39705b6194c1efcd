//! Sheets of A4 that fill from top to bottom: text, rules and blocks are placed first and drawn at the end, when it is
//! known how many sheets there are.

use jiff::{Timestamp, tz::TimeZone};
use krilla::{
    Document,
    action::{Action, LinkAction},
    annotation::{LinkAnnotation, Target},
    color::rgb,
    geom::{PathBuilder, Point, Rect},
    metadata::{DateTime, Metadata},
    page::PageSettings,
    paint::Fill,
    surface::Surface,
};

use crate::papers::face::{Face, Weight};

const WIDTH: f32 = 595.28;
const HEIGHT: f32 = 841.89;
pub const LEFT: f32 = 50.0;
pub const RIGHT: f32 = WIDTH - LEFT;
pub const COLUMN: f32 = RIGHT - LEFT;
const TOP: f32 = 46.0;
/// The foot of each sheet begins here.
const BOTTOM: f32 = HEIGHT - 74.0;
/// Where letters stand, below the top of their size.
const BASELINE: f32 = 0.84;

/// The light colours of `app.css`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    Black,
    Muted,
    Rule,
    Signal,
    Paper,
    OnSignal,
}

impl Ink {
    fn fill(self) -> Fill {
        let (red, green, blue) = match self {
            Self::Black => (0x1c, 0x19, 0x14),
            Self::Muted => (0x63, 0x5c, 0x4f),
            Self::Rule => (0xd9, 0xcf, 0xbb),
            Self::Signal => (0xb0, 0x43, 0x0b),
            Self::Paper => (0xf6, 0xf1, 0xe6),
            Self::OnSignal => (0xff, 0xff, 0xff),
        };
        Fill { paint: rgb::Color::new(red, green, blue).into(), ..Fill::default() }
    }
}

/// How text is set.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub weight: Weight,
    pub size: f32,
    /// From one line to the next.
    pub line: f32,
    pub ink: Ink,
}

impl Style {
    pub const fn new(weight: Weight, size: f32, line: f32, ink: Ink) -> Self {
        Self { weight, size, line, ink }
    }

    pub const fn inked(self, ink: Ink) -> Self {
        Self { ink, ..self }
    }
}

pub const BODY: Style = Style::new(Weight::Regular, 9.5, 13.5, Ink::Black);
pub const STRONG: Style = Style::new(Weight::Bold, 9.5, 13.5, Ink::Black);
pub const NOTE: Style = Style::new(Weight::Regular, 8.0, 11.0, Ink::Muted);
pub const HEADING: Style = Style::new(Weight::Bold, 11.0, 16.0, Ink::Black);

enum Mark {
    Text { x: f32, baseline: f32, style: Style, text: String },
    Block { x: f32, y: f32, width: f32, height: f32, ink: Ink },
    Dot { x: f32, y: f32, radius: f32, ink: Ink },
    Link { x: f32, y: f32, width: f32, height: f32, to: String },
}

pub struct Sheets {
    face: Face,
    pages: Vec<Vec<Mark>>,
    /// How far the last sheet is filled.
    pub y: f32,
}

/// What a reader shows of the file besides its pages.
pub struct About<'a> {
    pub title: String,
    pub author: &'a str,
    pub at: Timestamp,
    pub foot: String,
}

impl Sheets {
    pub fn new(face: Face) -> Self {
        Self { face, pages: vec![Vec::new()], y: TOP }
    }

    /// What follows is so high and must not be torn: a new sheet, if this one has not the room.
    pub fn keep(&mut self, height: f32) {
        if self.y + height > BOTTOM {
            self.pages.push(Vec::new());
            self.y = TOP;
        }
    }

    fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    pub fn skip(&mut self, height: f32) {
        self.y += height;
    }

    /// One line at the present height, which stays what it is. Says how wide it came out.
    pub fn put(&mut self, x: f32, style: Style, text: &str) -> f32 {
        self.put_at(x, self.y, style, text)
    }

    pub fn put_at(&mut self, x: f32, y: f32, style: Style, text: &str) -> f32 {
        let mark = self.text(x, y, style, text);
        self.mark(mark);
        self.width(style, text)
    }

    fn text(&self, x: f32, y: f32, style: Style, text: &str) -> Mark {
        let baseline = y + (style.line - style.size) / 2.0 + style.size * BASELINE;
        Mark::Text { x, baseline, style, text: self.face.settable(text) }
    }

    /// Likewise, ending at `right`.
    pub fn put_right(&mut self, right: f32, style: Style, text: &str) -> f32 {
        let width = self.width(style, text);
        self.put(right - width, style, text)
    }

    pub fn width(&self, style: Style, text: &str) -> f32 {
        self.face.width(&self.face.settable(text), style.weight, style.size)
    }

    /// As many lines as it needs, and the height below them.
    pub fn paragraph(&mut self, x: f32, width: f32, style: Style, text: &str) {
        for line in self.lines(width, style, text) {
            self.keep(style.line);
            self.put(x, style, &line);
            self.y += style.line;
        }
    }

    /// Broken at spaces; a word that is wider than the column, where it has to be.
    pub fn lines(&self, width: f32, style: Style, text: &str) -> Vec<String> {
        let fits = |text: &str| self.face.width(text, style.weight, style.size) <= width;
        let (mut lines, mut line) = (Vec::new(), String::new());
        for word in self.face.settable(text).split(' ').filter(|word| !word.is_empty()) {
            let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if fits(&longer) {
                line = longer;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            for letter in word.chars() {
                if !line.is_empty() && !fits(&format!("{line}{letter}")) {
                    lines.push(std::mem::take(&mut line));
                }
                line.push(letter);
            }
        }
        if !line.is_empty() || lines.is_empty() {
            lines.push(line);
        }
        lines
    }

    pub fn block(&mut self, x: f32, y: f32, width: f32, height: f32, ink: Ink) {
        self.mark(Mark::Block { x, y, width, height, ink });
    }

    pub fn dot(&mut self, x: f32, y: f32, radius: f32, ink: Ink) {
        self.mark(Mark::Dot { x, y, radius, ink });
    }

    /// A line across the column.
    pub fn rule(&mut self, thickness: f32, ink: Ink) {
        self.block(LEFT, self.y, COLUMN, thickness, ink);
    }

    pub fn link(&mut self, x: f32, y: f32, width: f32, height: f32, to: String) {
        self.mark(Mark::Link { x, y, width, height, to });
    }

    /// The file. `None`: it could not be written.
    pub fn draw(mut self, about: &About<'_>) -> Option<Vec<u8>> {
        self.feet(&about.foot);
        let mut document = Document::new();
        document.set_metadata(
            Metadata::new()
                .title(about.title.clone())
                .authors(vec![about.author.to_owned()])
                .language("en".to_owned())
                .creator("Jetbridge".to_owned())
                .creation_date(date(about.at)),
        );
        for marks in &self.pages {
            let mut page = document.start_page_with(PageSettings::from_wh(WIDTH, HEIGHT)?);
            for mark in marks {
                if let Mark::Link { x, y, width, height, to } = mark {
                    let rect = Rect::from_xywh(*x, *y, *width, *height)?;
                    let target = Target::Action(Action::Link(LinkAction::new(to.clone())));
                    page.add_annotation(LinkAnnotation::new(rect, target).into());
                }
            }
            let mut surface = page.surface();
            for mark in marks {
                self.draw_mark(&mut surface, mark)?;
            }
            surface.finish();
            page.finish();
        }
        document.finish().ok()
    }

    fn draw_mark(&self, surface: &mut Surface<'_>, mark: &Mark) -> Option<()> {
        match mark {
            Mark::Text { x, baseline, style, text } => {
                surface.set_fill(Some(style.ink.fill()));
                let glyphs = self.face.glyphs(text, style.weight);
                let font = self.face.font(style.weight);
                surface.draw_glyphs(Point::from_xy(*x, *baseline), &glyphs, font, text, style.size, false);
            }
            Mark::Block { x, y, width, height, ink } => {
                surface.set_fill(Some(ink.fill()));
                let mut path = PathBuilder::new();
                path.push_rect(Rect::from_xywh(*x, *y, *width, *height)?);
                surface.draw_path(&path.finish()?);
            }
            Mark::Dot { x, y, radius, ink } => {
                surface.set_fill(Some(ink.fill()));
                surface.draw_path(&circle(*x, *y, *radius)?);
            }
            Mark::Link { .. } => {}
        }
        Some(())
    }

    fn feet(&mut self, foot: &str) {
        let count = self.pages.len();
        let y = BOTTOM + 16.0;
        let lines = self.lines(COLUMN - 70.0, NOTE, foot);
        for number in 1..=count {
            let mut marks = vec![Mark::Block { x: LEFT, y, width: COLUMN, height: 0.6, ink: Ink::Rule }];
            let told = format!("Page {number} of {count}");
            marks.push(self.text(RIGHT - self.width(NOTE, &told), y + 6.0, NOTE, &told));
            let mut below = y + 6.0;
            for line in &lines {
                marks.push(self.text(LEFT, below, NOTE, line));
                below += NOTE.line;
            }
            if let Some(page) = self.pages.get_mut(number - 1) {
                page.extend(marks);
            }
        }
    }
}

fn circle(x: f32, y: f32, radius: f32) -> Option<krilla::geom::Path> {
    // A quarter of a circle as a cubic curve.
    let bow = radius * 0.552_284_8;
    let mut path = PathBuilder::new();
    path.move_to(x + radius, y);
    path.cubic_to(x + radius, y + bow, x + bow, y + radius, x, y + radius);
    path.cubic_to(x - bow, y + radius, x - radius, y + bow, x - radius, y);
    path.cubic_to(x - radius, y - bow, x - bow, y - radius, x, y - radius);
    path.cubic_to(x + bow, y - radius, x + radius, y - bow, x + radius, y);
    path.close();
    path.finish()
}

fn date(at: Timestamp) -> DateTime {
    let at = TimeZone::UTC.to_datetime(at);
    let small = |value: i8| u8::try_from(value).unwrap_or_default();
    DateTime::new(u16::try_from(at.year()).unwrap_or_default())
        .month(small(at.month()))
        .day(small(at.day()))
        .hour(small(at.hour()))
        .minute(small(at.minute()))
        .second(small(at.second()))
        .utc_offset_hour(0)
        .utc_offset_minute(0)
}
