//! Text in columns.

/// Columns under two lines of headings: the first to the left, the others to the right, each as wide as it has to be. A column whose
/// heading is `|` in both lines is a rule between its neighbours, and has no entry in the lines.
pub fn text(headings: &[[&str; 2]], lines: &[Vec<String>]) -> String {
    let mut all: Vec<Vec<&str>> = vec![Vec::new(), Vec::new()];
    for heading in headings {
        all[0].push(heading[0]);
        all[1].push(heading[1]);
    }
    for line in lines {
        let mut entries = line.iter().map(String::as_str);
        let mut entry = |heading: &[&str; 2]| {
            if *heading == RULE {
                "|"
            } else {
                entries.next().unwrap_or_default()
            }
        };
        all.push(headings.iter().map(&mut entry).collect());
    }
    let width = |column: usize| {
        let entries = all.iter().filter_map(|line| line.get(column));
        entries
            .map(|entry| entry.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let mut text = String::new();
    for line in &all {
        let entries = line.iter().zip(&widths).enumerate();
        let entries: Vec<String> = entries
            .map(|(column, (entry, width))| match column {
                0 => format!("{entry:<width$}"),
                _ => format!("{entry:>width$}"),
            })
            .collect();
        text.push_str(entries.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A rule between two columns.
pub const RULE: [&str; 2] = ["|", "|"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_as_wide_as_its_widest_entry() {
        let lines = [
            vec!["start".to_owned(), "7".to_owned(), "1234.5".to_owned()],
            vec!["stop".to_owned(), "12".to_owned(), "1.0".to_owned()],
        ];
        let text = text(&[["", "event"], ["hook", "tools"], RULE, ["", "wall"]], &lines);
        assert_eq!(
            text,
            "        hook  |\nevent  tools  |    wall\nstart      7  |  1234.5\nstop      12  |     1.0\n"
        );
    }
}
