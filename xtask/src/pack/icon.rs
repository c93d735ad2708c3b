//! `icon.svg` of an app: a coloured tile with the first letter of its title. Own drawings, since the apps' logos are not ours.
//!
//! The letters are strokes, not text: what a font looks like, or whether there is one, differs from viewer to viewer.

/// Half of the angle that leaves the largest gaps however many hues there are.
const GOLDEN_ANGLE: f64 = 137.507_764;

/// The strokes of each letter in a box of 4 by 6, as SVG path data.
const STROKES: [(char, &str); 36] = [
    ('A', "M0 6 2 0 4 6M.7 4H3.3"),
    (
        'B',
        "M0 0V6H2.4A1.5 1.5 0 0 0 2.4 3H0M0 0H2.2A1.5 1.5 0 0 1 2.2 3",
    ),
    ('C', "M4 1A2.4 3 0 1 0 4 5"),
    ('D', "M0 0V6H1.4A2.6 3 0 0 0 1.4 0Z"),
    ('E', "M4 0H0V6H4M0 3H3.2"),
    ('F', "M4 0H0V6M0 3H3.2"),
    ('G', "M4 1A2.4 3 0 1 0 4 5V3.2H2.4"),
    ('H', "M0 0V6M4 0V6M0 3H4"),
    ('I', "M2 0V6M.8 0H3.2M.8 6H3.2"),
    ('J', "M3.6 0V4.2A1.7 1.8 0 0 1 .2 4.2"),
    ('K', "M0 0V6M4 0 0 3.4M1.3 2.4 4 6"),
    ('L', "M0 0V6H4"),
    ('M', "M0 6V0L2 3.6 4 0V6"),
    ('N', "M0 6V0L4 6V0"),
    ('O', "M2 0A2 3 0 1 0 2 6A2 3 0 1 0 2 0"),
    ('P', "M0 6V0H2.3A1.6 1.6 0 0 1 2.3 3.3H0"),
    ('Q', "M2 0A2 3 0 1 0 2 6A2 3 0 1 0 2 0M2.4 4.2 4 6.2"),
    ('R', "M0 6V0H2.3A1.6 1.6 0 0 1 2.3 3.2H0M2 3.2 4 6"),
    ('S', "M3.8 1A1.9 1.5 0 1 0 2 3A1.9 1.5 0 1 1 .2 5"),
    ('T', "M0 0H4M2 0V6"),
    ('U', "M0 0V4A2 2 0 0 0 4 4V0"),
    ('V', "M0 0 2 6 4 0"),
    ('W', "M0 0 1 6 2 2.4 3 6 4 0"),
    ('X', "M0 0 4 6M4 0 0 6"),
    ('Y', "M0 0 2 3 4 0M2 3V6"),
    ('Z', "M0 0H4L0 6H4"),
    ('0', "M2 0A2 3 0 1 0 2 6A2 3 0 1 0 2 0M3.2 1.2 .8 4.8"),
    ('1', "M.8 1.2 2.2 0V6"),
    ('2', "M.2 1.6A1.9 1.7 0 1 1 3.3 3L0 6H4"),
    ('3', "M.3 0H3.7L1.8 2.4A1.9 1.8 0 1 1 .2 5"),
    ('4', "M3 6V0L0 4.2H4"),
    ('5', "M3.7 0H.6L.3 2.7A2 1.8 0 1 1 .1 5.2"),
    ('6', "M3.4 .2 .6 3.2M2 2.4A1.8 1.8 0 1 0 2 6A1.8 1.8 0 1 0 2 2.4"),
    ('7', "M0 0H4L1.4 6"),
    (
        '8',
        "M2 0A1.5 1.4 0 1 0 2 2.8A1.8 1.6 0 1 0 2 6A1.8 1.6 0 1 0 2 2.8A1.5 1.4 0 1 0 2 0",
    ),
    ('9', "M.6 5.8 3.4 2.8M2 0A1.8 1.8 0 1 0 2 3.6A1.8 1.8 0 1 0 2 0"),
];

/// A disc, for a title that starts with neither a letter nor a digit.
const OTHER: &str = "M2 1A2 2 0 1 0 2 5A2 2 0 1 0 2 1";

/// The text of `icon.svg` of the charm `name`, whose app is called `title`.
pub fn svg(name: &str, title: &str) -> String {
    let initial = title.chars().next().map(|first| first.to_ascii_uppercase());
    let strokes = STROKES
        .iter()
        .find(|(letter, _)| Some(*letter) == initial)
        .map_or(OTHER, |(_, strokes)| strokes);
    let hue = hue(name);
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100" viewBox="0 0 100 100">
  <rect width="100" height="100" rx="22" fill="hsl({hue}, 62%, 38%)"/>
  <path d="M0 78V22A22 22 0 0 1 22 0H78A22 22 0 0 1 100 22Z" fill="hsl({hue}, 62%, 46%)"/>
  <path transform="translate(32 23) scale(9)" d="{strokes}" fill="none" stroke="#fff" stroke-width="1" stroke-linecap="round" stroke-linejoin="round"/>
</svg>
"##
    )
}

/// A hue in degrees that follows from the charm's name alone, so that an app keeps its colour when others come.
fn hue(name: &str) -> u16 {
    let sum: u32 = name.bytes().map(u32::from).sum();
    (f64::from(sum) * GOLDEN_ANGLE).rem_euclid(360.0) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_icon_is_a_square_of_100_and_shows_the_initial() {
        let icon = svg("radarr", "Radarr");
        assert!(icon.contains(r#"viewBox="0 0 100 100""#), "{icon}");
        assert!(icon.contains("M0 6V0H2.3A1.6 1.6"), "{icon}");
        assert_eq!(icon, svg("radarr", "Radarr"));
    }

    #[test]
    fn a_small_initial_is_drawn_as_a_capital_and_a_strange_one_as_a_disc() {
        assert!(svg("q", "qBittorrent").contains("M2.4 4.2 4 6.2"));
        assert!(svg("q", "µ").contains(OTHER));
    }
}
