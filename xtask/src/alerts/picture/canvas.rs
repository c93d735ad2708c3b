//! SVG as text. Whatever goes in is escaped here, and every number has one digit at most: the same picture is the same bytes.

use std::fmt::Write as _;

use super::form::Color;

/// The typeface, with what there is everywhere at the end.
const FONT: &str = "Inter, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif";

/// What words are in.
pub const INK: &str = "#d8d9da";
/// What explains them.
pub const FAINT: &str = "#9a9da5";
/// Lines that help to read.
pub const GRID: &str = "#2b2e35";

/// The colour of a name in the dashboard.
pub const fn hex(color: Color) -> &'static str {
    match color {
        Color::Green => "#73bf69",
        Color::Yellow => "#f2cc0c",
        Color::Red => "#f2495c",
    }
}

/// What tells lines apart, in their order.
pub const LINES: [&str; 8] = [
    "#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#5ad8d0", "#c8a27a",
];

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    pub x: f64,
    pub y: f64,
    pub w: f64,
    pub h: f64,
}

impl Area {
    /// What is left of it without so much on each side: left, top, right, bottom.
    pub fn without(self, left: f64, top: f64, right: f64, bottom: f64) -> Self {
        Self {
            x: self.x + left,
            y: self.y + top,
            w: self.w - left - right,
            h: self.h - top - bottom,
        }
    }

    pub fn right(self) -> f64 {
        self.x + self.w
    }

    pub fn bottom(self) -> f64 {
        self.y + self.h
    }
}

/// How words stand.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    pub size: f64,
    pub fill: &'static str,
    pub anchor: Anchor,
    pub is_bold: bool,
}

/// Which end of the words is at their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

impl Words {
    /// Of this size, beginning at their place.
    pub const fn of(size: f64) -> Self {
        Self {
            size,
            fill: INK,
            anchor: Anchor::Start,
            is_bold: false,
        }
    }

    pub const fn filled(self, fill: &'static str) -> Self {
        Self { fill, ..self }
    }

    pub const fn at(self, anchor: Anchor) -> Self {
        Self { anchor, ..self }
    }

    pub const fn bold(self) -> Self {
        Self {
            is_bold: true,
            ..self
        }
    }

    /// How wide a text is, more or less: which typeface there is nobody knows.
    pub fn width(self, text: &str) -> f64 {
        let narrow = |c: char| matches!(c, 'i' | 'j' | 'l' | 't' | 'f' | 'r' | ' ' | '.' | ',' | ':' | '/');
        let parts = text.chars().map(|c| if narrow(c) { 0.38 } else { 0.62 });
        let bold = if self.is_bold { 1.1 } else { 1.0 };
        parts.sum::<f64>() * self.size * bold
    }

    /// As much of a text as fits, with a sign that there is more.
    pub fn cut(self, text: &str, width: f64) -> String {
        if self.width(text) <= width {
            return text.to_owned();
        }
        let mut cut = String::new();
        for c in text.chars() {
            if self.width(&format!("{cut}{c}…")) > width {
                break;
            }
            cut.push(c);
        }
        cut + "…"
    }
}

/// A picture that is being drawn.
#[derive(Debug, Default)]
pub struct Canvas(String);

impl Canvas {
    pub fn rect(&mut self, area: Area, fill: &str) {
        let Area { x, y, w, h } = area;
        self.line(&format!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{fill}\"/>",
            n(x),
            n(y),
            n(w),
            n(h)
        ));
    }

    /// A panel's ground.
    pub fn ground(&mut self, area: Area) {
        let Area { x, y, w, h } = area;
        self.line(&format!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"3\" fill=\"#181b1f\" stroke=\"{GRID}\"/>",
            n(x),
            n(y),
            n(w),
            n(h)
        ));
    }

    /// Words at a place, on their line.
    pub fn words(&mut self, (x, y): (f64, f64), text: &str, words: Words) {
        let mut look = String::new();
        if words.fill != INK {
            let _ = write!(look, " fill=\"{}\"", words.fill);
        }
        match words.anchor {
            Anchor::Start => {}
            Anchor::Middle => look.push_str(" text-anchor=\"middle\""),
            Anchor::End => look.push_str(" text-anchor=\"end\""),
        }
        if words.is_bold {
            look.push_str(" font-weight=\"600\"");
        }
        self.line(&format!(
            "<text x=\"{}\" y=\"{}\" font-size=\"{}\"{look}>{}</text>",
            n(x),
            n(y),
            n(words.size),
            escaped(text)
        ));
    }

    /// A line through these points.
    pub fn path(&mut self, points: &[(f64, f64)], stroke: &str, width: f64) {
        let mut data = String::new();
        for (place, (x, y)) in points.iter().enumerate() {
            let command = if place == 0 { 'M' } else { 'L' };
            let _ = write!(data, "{command}{} {}", n(*x), n(*y));
        }
        self.line(&format!(
            "<path d=\"{data}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"{}\" stroke-linejoin=\"round\"/>",
            n(width)
        ));
    }

    /// What follows belongs together, and says this to whoever points at it.
    pub fn open(&mut self, description: &str) {
        self.line("<g>");
        if !description.is_empty() {
            self.line(&format!("<title>{}</title>", escaped(description)));
        }
    }

    pub fn close(&mut self) {
        self.line("</g>");
    }

    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    /// The whole picture.
    pub fn svg(self, (width, height): (f64, f64), title: &str, description: &str) -> String {
        let (width, height) = (n(width), n(height));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n\
             <title>{}</title>\n<desc>{}</desc>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#111217\"/>\n\
             <g font-family=\"{FONT}\" fill=\"{INK}\">\n{}</g>\n</svg>\n",
            escaped(title),
            escaped(description),
            self.0
        )
    }
}

/// A coordinate.
fn n(number: f64) -> String {
    // Half a tenth up or down is the same everywhere, and there is no -0.
    let rounded = (number * 10.0).round() / 10.0 + 0.0;
    format!("{rounded}")
}

/// What means something to XML as what does not.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // XML has no other control characters.
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_into_a_picture_cannot_leave_its_text() {
        let mut canvas = Canvas::default();
        canvas.open("a\"b");
        canvas.words((1.0, 2.06), "</text><script>&'\u{1b}", Words::of(12.0).bold());
        canvas.close();
        let svg = canvas.svg((10.0, 20.0), "<t>", "d&d");
        assert!(
            svg.contains(
                "<text x=\"1\" y=\"2.1\" font-size=\"12\" font-weight=\"600\">&lt;/text&gt;&lt;script&gt;&amp;&apos; </text>"
            ),
            "{svg}"
        );
        assert!(
            svg.contains("<title>&lt;t&gt;</title>\n<desc>d&amp;d</desc>"),
            "{svg}"
        );
        assert!(svg.contains("<title>a&quot;b</title>"), "{svg}");
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        let words = Words::of(10.0);
        assert_eq!(words.cut("Databases", 100.0), "Databases");
        assert_eq!(words.cut("Databases", 31.0), "Data…");
        assert_eq!(words.cut("Databases", 0.0), "…");
    }

    #[test]
    fn a_coordinate_is_short() {
        assert_eq!([1.0, 0.333, -0.01, 12.25].map(n), ["1", "0.3", "0", "12.3"]);
    }
}
