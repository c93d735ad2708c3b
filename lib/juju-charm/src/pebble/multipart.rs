//! `multipart/form-data` as Pebble's file requests use it: a few parts, whole in memory.

/// The media type, which Pebble wants to the letter.
pub(crate) const MEDIA_TYPE: &str = "multipart/form-data";

/// Pebble refuses a boundary of fewer than 32 characters.
const BOUNDARY_LENGTH: usize = 40;

/// A part that was received.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    pub name: String,
    pub content: &'a [u8],
}

/// Content type and content of a request to write one file.
pub(crate) fn write_request(request: &str, path: &str, content: &[u8]) -> (String, Vec<u8>) {
    let boundary = boundary_for(&[request.as_bytes(), content]);
    let filename = quote(path);
    let mut body = Vec::with_capacity(content.len() + request.len() + 512);
    body.extend_from_slice(
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"request\"\r\n\
             Content-Type: application/json\r\n\r\n{request}\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"files\"; filename={filename}\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        )
        .as_bytes(),
    );
    body.extend_from_slice(content);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("{MEDIA_TYPE}; boundary={boundary}"), body)
}

/// The parts of a body.
pub(crate) fn parse<'a>(content_type: &str, body: &'a [u8]) -> Result<Vec<Part<'a>>, String> {
    let boundary = parameter(content_type, "boundary").ok_or("it names no boundary")?;
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    // The first delimiter may open the body, without a line end before it.
    let mut rest = match body.strip_prefix(delimiter.get(2..).unwrap_or_default()) {
        Some(rest) => rest,
        None => split_at_bytes(body, &delimiter).ok_or("it has no parts")?.1,
    };
    let mut parts = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        let part = rest
            .strip_prefix(b"\r\n")
            .ok_or("a boundary does not end its line")?;
        let (part, after) = split_at_bytes(part, &delimiter).ok_or("its last part does not end")?;
        let (headers, content) = match part.strip_prefix(b"\r\n") {
            Some(content) => (&[][..], content),
            None => split_at_bytes(part, b"\r\n\r\n").ok_or("a part has no content")?,
        };
        parts.push(Part {
            name: part_name(headers),
            content,
        });
        rest = after;
    }
}

fn part_name(headers: &[u8]) -> String {
    let headers = String::from_utf8_lossy(headers);
    headers
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-disposition"))
        .and_then(|(_, value)| parameter(value, "name"))
        .unwrap_or_default()
}

/// The value of a parameter in a header such as `form-data; name="files"; filename="/a;b"`.
fn parameter(header: &str, wanted: &str) -> Option<String> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = unquote(after);
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = after.split_once(';')?.1;
    }
}

/// A value, quoted or not, and what follows it.
fn unquote(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (value.trim().to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, quoted.get(at + 1..).unwrap_or_default()),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn split_at_bytes<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text
        .windows(separator.len())
        .position(|window| window == separator)?;
    Some((text.get(..at)?, text.get(at + separator.len()..)?))
}

/// A boundary that is in none of the contents. Counting up ends: contents are finite.
fn boundary_for(contents: &[&[u8]]) -> String {
    let mut number: u64 = 0;
    loop {
        let boundary = format!("{number:0BOUNDARY_LENGTH$}");
        let taken = contents
            .iter()
            .any(|content| split_at_bytes(content, boundary.as_bytes()).is_some());
        if !taken {
            return boundary;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let hostile = format!("a\r\n--{:0BOUNDARY_LENGTH$}--\r\nb", 0);
        for content in [&b""[..], b"x", b"\r\n", b"\r\n--", b"\0\xff", hostile.as_bytes()] {
            let (content_type, body) = write_request("{}", "/a \"b\";\\c", content);
            let parts = parse(&content_type, &body).unwrap();
            assert_eq!(parts.len(), 2, "{content:?}");
            assert_eq!(
                parts[0],
                Part {
                    name: "request".to_owned(),
                    content: b"{}"
                }
            );
            assert_eq!(
                parts[1],
                Part {
                    name: "files".to_owned(),
                    content
                }
            );
        }
    }

    #[test]
    fn a_file_name_is_quoted() {
        let (_, body) = write_request("{}", "/a\"\\b", b"");
        let body = String::from_utf8(body).unwrap();
        assert!(body.contains(r#"filename="/a\"\\b""#), "{body}");
        assert_eq!(
            parameter(r#"form-data; filename="/a\"\\b;c"; name=files"#, "filename").as_deref(),
            Some("/a\"\\b;c")
        );
    }

    #[test]
    fn a_malformed_body_is_an_error() {
        let cases: [(&str, &[u8]); 6] = [
            ("multipart/form-data", b""),
            ("multipart/form-data; boundary=b", b""),
            ("multipart/form-data; boundary=b", b"--b"),
            ("multipart/form-data; boundary=b", b"--b\r\n"),
            ("multipart/form-data; boundary=b", b"--b\r\nA: b\r\n\r\nc"),
            ("multipart/form-data; boundary=b", b"--b\r\nA: b\r\n--b--"),
        ];
        for (content_type, body) in cases {
            assert!(parse(content_type, body).is_err(), "{content_type} {body:?}");
        }
    }
}
