//! As much of Markdown as the project's texts use: fenced blocks, code in backticks, links, headings.

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// What stands behind the fence: `sh`, `sh run`.
    pub info: String,
    /// Its lines, without the indentation of the fence.
    pub text: String,
    /// Number of its first line, from 1.
    pub line: usize,
}

/// A text, taken apart.
#[derive(Debug, Default)]
pub struct Document {
    /// Its fenced blocks.
    pub blocks: Vec<Block>,
    /// Code in backticks, each with its line.
    pub spans: Vec<(usize, String)>,
    /// Targets of links and pictures, each with its line.
    pub links: Vec<(usize, String)>,
    /// Anchors of its headings.
    pub anchors: Vec<String>,
    /// Its first heading.
    pub title: Option<String>,
}

impl Document {
    /// Takes a text apart.
    pub fn of(text: &str) -> Self {
        let mut document = Self::default();
        // The paragraph so far, since code and links may go over the end of a line; with the line that it began in.
        let mut paragraph = String::new();
        let mut began = 1;
        let mut block: Option<(usize, Block)> = None;
        for (number, line) in (1..).zip(text.lines()) {
            let trimmed = line.trim_start();
            if let Some((indentation, open)) = &mut block {
                if trimmed.starts_with("```") {
                    document.blocks.extend(block.take().map(|(_, block)| block));
                } else {
                    let white = line.len() - trimmed.len();
                    open.text.push_str(&line[white.min(*indentation)..]);
                    open.text.push('\n');
                }
                continue;
            }
            if let Some(info) = trimmed.strip_prefix("```") {
                document.paragraph(began, &paragraph);
                paragraph.clear();
                let open = Block {
                    info: info.trim().to_owned(),
                    text: String::new(),
                    line: number + 1,
                };
                block = Some((line.len() - trimmed.len(), open));
                continue;
            }
            if let Some(heading) = heading(trimmed) {
                document.heading(heading);
            }
            let begins = trimmed.is_empty() || trimmed.starts_with(['#', '|', '-', '*']);
            if begins {
                document.paragraph(began, &paragraph);
                paragraph.clear();
            }
            if paragraph.is_empty() {
                began = number;
            }
            paragraph.push_str(line);
            paragraph.push('\n');
        }
        document.paragraph(began, &paragraph);
        document
    }

    fn heading(&mut self, heading: &str) {
        let anchor = anchor(heading);
        let same = self.anchors.iter().filter(|is| {
            let numbered = is.strip_prefix(&format!("{anchor}-"));
            **is == anchor || numbered.is_some_and(|number| number.parse::<u32>().is_ok())
        });
        let anchor = match same.count() {
            0 => anchor,
            count => format!("{anchor}-{count}"),
        };
        self.anchors.push(anchor);
        self.title.get_or_insert_with(|| heading.to_owned());
    }

    /// Code and links of a paragraph.
    fn paragraph(&mut self, began: usize, text: &str) {
        let mut outside = String::new();
        let mut rest = text;
        let line_at = |rest: &str| began + text[..text.len() - rest.len()].matches('\n').count();
        while let Some((before, behind)) = rest.split_once('`') {
            outside.push_str(before);
            let ticks = 1 + behind.len() - behind.trim_start_matches('`').len();
            let fence = "`".repeat(ticks);
            let inside = &behind[ticks - 1..];
            let Some((span, after)) = inside.split_once(&fence) else {
                break;
            };
            let words: Vec<&str> = span.split_whitespace().collect();
            self.spans.push((line_at(inside), words.join(" ")));
            outside.push('x');
            outside.extend(span.matches('\n'));
            rest = after;
        }
        outside.push_str(rest);
        let mut rest = outside.as_str();
        while let Some((before, behind)) = rest.split_once("](") {
            let line = began
                + outside[..outside.len() - rest.len() + before.len()]
                    .matches('\n')
                    .count();
            let Some((target, after)) = behind.split_once(')') else {
                break;
            };
            self.links.push((line, target.to_owned()));
            rest = after;
        }
        for (number, line) in (began..).zip(outside.lines()) {
            if let Some((_, target)) = line.split_once("]: ").filter(|_| line.starts_with('[')) {
                self.links.push((number, target.trim().to_owned()));
            }
        }
    }
}

fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    ((1..=6).contains(&level) && text.starts_with(' ')).then(|| text.trim())
}

/// The anchor of a heading, as GitHub and mdBook make it.
pub fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter_map(|letter| match letter {
        letter if letter.is_alphanumeric() || matches!(letter, '-' | '_') => {
            Some(letter.to_lowercase().to_string())
        }
        letter if letter.is_whitespace() => Some("-".to_owned()),
        _ => None,
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_apart() {
        let text = "# One `x`\n\nsee [a\nb](c.md#d) and `juju\nrun a/0 b`, ``a`b``\n\n1. x\n   ```sh run\n   echo [no](no.md) `no`\n     more\n   ```\n| `t` | ![p](q.svg) |\n## One x\n";
        let document = Document::of(text);
        assert_eq!(document.title.as_deref(), Some("One `x`"));
        assert_eq!(document.anchors, ["one-x", "one-x-1"]);
        let spans: Vec<&str> = document.spans.iter().map(|(_, span)| span.as_str()).collect();
        assert_eq!(spans, ["x", "juju run a/0 b", "a`b", "t"]);
        assert_eq!(
            document.links,
            [(4, "c.md#d".to_owned()), (12, "q.svg".to_owned())]
        );
        assert_eq!(
            document.blocks,
            [Block {
                info: "sh run".to_owned(),
                text: "echo [no](no.md) `no`\n  more\n".to_owned(),
                line: 9
            }]
        );
    }
}
