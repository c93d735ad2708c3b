//! A request as the handlers see it: path, query, headers and the whole body.

use hyper::body::Bytes;
use hyper::{HeaderMap, Method};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::answer::{Fault, bad_request};

/// A request.
#[derive(Debug)]
pub(crate) struct Request {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Who asks; 0 is whoever runs this Pebble.
    pub user: u32,
    query: Vec<(String, String)>,
}

impl Request {
    pub fn new(parts: &hyper::http::request::Parts, body: Bytes, user: u32) -> Request {
        Request {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            headers: parts.headers.clone(),
            body,
            user,
            query: parse(parts.uri.query().unwrap_or_default()),
        }
    }

    /// The first value of a parameter; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// Every value of a parameter.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let name = name.to_owned();
        let named = self.query.iter().filter(move |(key, _)| *key == name);
        named.map(|(_, value)| value.as_str())
    }

    /// The values of a parameter that may be given many times and hold many values, with commas between them.
    pub fn list(&self, name: &str) -> Vec<String> {
        let values = self.all(name).flat_map(|value| value.split(','));
        let values = values.map(str::trim).filter(|value| !value.is_empty());
        values.map(str::to_owned).collect()
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }

    /// The body, a JSON object. `what` is how Pebble calls it.
    pub fn json<T: DeserializeOwned>(&self, what: &str) -> Result<T, Fault> {
        let fault = |reason: String| bad_request(format!("cannot decode {what}: {reason}"));
        let object = serde_json::from_slice::<Map<String, Value>>(&self.body).map_err(|error| {
            fault(if error.is_eof() {
                "unexpected EOF".to_owned()
            } else {
                error.to_string()
            })
        })?;
        serde_json::from_value(Value::Object(object)).map_err(|error| fault(error.to_string()))
    }
}

fn parse(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

/// Undoes percent-encoding; `+` is a space in a query.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let encoded = text
            .get(at + 1..at + 3)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (byte, encoded) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 2;
            }
            (b'+', _) => decoded.push(b' '),
            (byte, _) => decoded.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_go_reads_it() {
        let pairs = parse("names=a,%20b&names=c&after=1%2B2&x+y&p=%zz");
        let expected = [
            ("names", "a, b"),
            ("names", "c"),
            ("after", "1+2"),
            ("x y", ""),
            ("p", "%zz"),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(pairs, expected);
    }
}
