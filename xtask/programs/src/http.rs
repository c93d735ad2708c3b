//! Requests to the API server and its answers, as plainly as they can be sent and read: HTTP/1.1 over one TLS connection.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// No head of a request or an answer is longer.
const LONGEST_HEAD: usize = 64 << 10;

/// Head and body of a request or an answer.
pub type Message = (Vec<u8>, Vec<u8>);

/// The next message; none at the end of the connection.
///
/// # Errors
/// When it is cut off, or its head does not end.
pub fn message(from: &mut impl Read) -> Result<Option<Message>> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 16 << 10];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        let count = from.read(&mut chunk)?;
        if count == 0 && bytes.is_empty() {
            return Ok(None);
        }
        if count == 0 || bytes.len() > LONGEST_HEAD {
            return Err(ErrorKind::InvalidData.into());
        }
        bytes.extend_from_slice(chunk.get(..count).unwrap_or_default());
    };
    let mut body = bytes.split_off(end);
    let length = content_length(&bytes);
    while body.len() < length {
        let count = from.read(&mut chunk)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        body.extend_from_slice(chunk.get(..count).unwrap_or_default());
    }
    Ok(Some((bytes, body)))
}

/// 0 when the head does not say: neither side sends chunks.
fn content_length(head: &[u8]) -> usize {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let mut lines = text.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length:"));
    length.and_then(|length| length.trim().parse().ok()).unwrap_or(0)
}

/// An API server: where it listens, and the authority of its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiServer {
    /// `127.0.0.1:1234`.
    pub address: String,
    /// In PEM.
    pub authority: String,
}

impl ApiServer {
    /// As [`ApiServer::read`] reads it.
    pub fn text(&self) -> String {
        format!("{}\n{}", self.address, self.authority)
    }

    /// Out of text; none if it is something else.
    pub fn read(text: &str) -> Option<ApiServer> {
        let (address, authority) = text.split_once('\n')?;
        Some(ApiServer {
            address: address.to_owned(),
            authority: authority.to_owned(),
        })
    }

    /// Connects, and ends the handshake.
    ///
    /// # Errors
    /// When nobody answers, or not with a certificate of the authority.
    pub fn connect(&self, nodelay: bool) -> Result<StreamOwned<ClientConnection, TcpStream>> {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(self.authority.as_bytes()).map_err(Error::other)?;
        roots.add(authority).map_err(Error::other)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(nodelay)?;
        let name = stream.peer_addr()?.ip().into();
        let connection = ClientConnection::new(Arc::new(config), name).map_err(Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }
}

/// Sends requests, each byte by byte as it is, one after the other on one connection, and reads the answers. Without a request there is
/// no connection.
///
/// # Errors
/// When one is not answered.
pub fn ask(server: &ApiServer, requests: &[Vec<u8>]) -> Result<()> {
    if requests.is_empty() {
        return Ok(());
    }
    let mut stream = server.connect(true)?;
    for request in requests {
        stream.write_all(request)?;
        stream.flush()?;
        message(&mut stream)?.ok_or(ErrorKind::UnexpectedEof)?;
    }
    Ok(())
}

/// A request as [`read_requests`] reads it, to be written behind others: its length in four bytes, and it.
pub fn written_request(request: &[u8]) -> Vec<u8> {
    let length = u32::try_from(request.len()).unwrap_or_default();
    [length.to_le_bytes().as_slice(), request].concat()
}

/// Requests out of what was written.
///
/// # Errors
/// When it is cut off.
pub fn read_requests(mut written: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut requests = Vec::new();
    while !written.is_empty() {
        let cut_off = || Error::new(ErrorKind::InvalidData, "a request is cut off");
        let (length, rest) = written.split_first_chunk::<4>().ok_or_else(cut_off)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (request, rest) = rest.split_at_checked(length).ok_or_else(cut_off)?;
        requests.push(request.to_vec());
        written = rest;
    }
    Ok(requests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_head_and_body() {
        let mut bytes: &[u8] = b"GET / HTTP/1.1\r\nContent-Length: 2\r\n\r\nok";
        let (head, body) = message(&mut bytes).unwrap().unwrap();
        assert!(head.ends_with(b"\r\n\r\n"));
        assert_eq!(body, b"ok");
        assert!(message(&mut bytes).unwrap().is_none());
    }

    #[test]
    fn a_message_that_is_cut_off_is_an_error() {
        assert!(message(&mut b"GET / HTTP/1.1\r\n".as_slice()).is_err());
        assert!(message(&mut b"GET / HTTP/1.1\r\nContent-Length: 3\r\n\r\nok".as_slice()).is_err());
    }

    #[test]
    fn requests_and_their_server_are_read_as_they_were_written() {
        let requests = [b"GET / HTTP/1.1\r\n\r\n".to_vec(), Vec::new(), b"\n\0".to_vec()];
        let written: Vec<u8> = requests.iter().flat_map(|one| written_request(one)).collect();
        assert_eq!(read_requests(&written).unwrap(), requests);
        assert!(read_requests(&written[..written.len() - 1]).is_err());
        let server = ApiServer {
            address: "127.0.0.1:1".to_owned(),
            authority: "-----BEGIN\n-----END\n".to_owned(),
        };
        assert_eq!(ApiServer::read(&server.text()), Some(server));
    }
}
