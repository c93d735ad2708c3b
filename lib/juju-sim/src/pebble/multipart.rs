//! `multipart/form-data`, both ways, whole in memory.

/// The media type.
pub(crate) const MEDIA_TYPE: &str = "multipart/form-data";

/// A part of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    pub name: String,
    pub filename: String,
    pub content: &'a [u8],
}

/// The parts of a body.
pub(crate) fn parse<'a>(boundary: &str, body: &'a [u8]) -> Result<Vec<Part<'a>>, &'static str> {
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    // The first delimiter may open the body, without a line end before it.
    let mut rest = match body.strip_prefix(delimiter.get(2..).unwrap_or_default()) {
        Some(rest) => rest,
        None => split(body, &delimiter).ok_or("multipart: NextPart: EOF")?.1,
    };
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let part = rest
            .strip_prefix(b"\r\n")
            .ok_or("multipart: boundary does not end its line")?;
        let (part, after) = split(part, &delimiter).ok_or("unexpected EOF")?;
        let (headers, content) = split(part, b"\r\n\r\n").ok_or("multipart: part has no content")?;
        let headers = String::from_utf8_lossy(headers);
        let disposition = headers.lines().filter_map(|line| line.split_once(':'));
        let mut disposition =
            disposition.filter(|(name, _)| name.eq_ignore_ascii_case("content-disposition"));
        let disposition = disposition.next().map_or("", |(_, value)| value);
        parts.push(Part {
            name: parameter(disposition, "name").unwrap_or_default(),
            filename: parameter(disposition, "filename").unwrap_or_default(),
            content,
        });
        rest = after;
    }
    Ok(parts)
}

/// The value of a parameter in a header such as `form-data; name="files"; filename="/a;b"`.
pub(crate) fn parameter(header: &str, wanted: &str) -> Option<String> {
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
        let (value, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
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

fn split<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text
        .windows(separator.len())
        .position(|window| window == separator)?;
    Some((text.get(..at)?, text.get(at + separator.len()..)?))
}

/// Content type and content of an answer with files by path, and a response after them.
pub(crate) fn write(files: &[(&str, Vec<u8>)], response: &str) -> (String, Vec<u8>) {
    let contents = || {
        files
            .iter()
            .map(|(_, content)| content.as_slice())
            .chain([response.as_bytes()])
    };
    let mut number = 0_u64;
    let boundary = loop {
        let boundary = format!("juju-sim-pebble-{number:040}");
        if !contents().any(|content| split(content, boundary.as_bytes()).is_some()) {
            break boundary;
        }
        number += 1;
    };
    let mut body = Vec::new();
    for (path, content) in files {
        let path = path.replace('\\', "\\\\").replace('"', "\\\"");
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{path}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    let tail = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"response\"\r\nContent-Type: application/json\r\n\r\n\
         {response}\r\n--{boundary}--\r\n"
    );
    body.extend_from_slice(tail.as_bytes());
    (format!("{MEDIA_TYPE}; boundary={boundary}"), body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        for content in [&b""[..], b"x", b"\r\n", b"\r\n--", b"\0\xff"] {
            let (content_type, body) = write(&[("/a \"b\";\\c", content.to_vec())], "{}");
            let boundary = parameter(&content_type, "boundary").unwrap();
            let parts = parse(&boundary, &body).unwrap();
            let [file, response] = parts.as_slice() else {
                panic!("{parts:?}")
            };
            assert_eq!(
                (file.name.as_str(), file.filename.as_str()),
                ("files", "/a \"b\";\\c")
            );
            assert_eq!(file.content, content);
            assert_eq!(
                (response.name.as_str(), response.content),
                ("response", &b"{}"[..])
            );
        }
    }

    #[test]
    fn a_malformed_body_is_an_error() {
        for body in [
            &b""[..],
            b"--b",
            b"--b\r\n",
            b"--b\r\nA: b\r\n\r\nc",
            b"--b\r\nA: b\r\n--b--",
        ] {
            assert!(parse("b", body).is_err(), "{body:?}");
        }
    }
}
