//! A connection between two processes that know each other's public key: TLS 1.3 with raw keys (RFC 7250) in the place of certificates.
//!
//! The keys are made for one connection. Each side learns the other's on a way that is trusted already, and no private key ever leaves
//! the process that made it.

use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, ring as provider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, DistinguishedName, ServerConfig,
    ServerConnection, SignatureScheme, StreamOwned,
};

/// The end that was connected to, which mostly writes.
pub(super) type Accepted = StreamOwned<ServerConnection, TcpStream>;
/// The end that connected, which mostly reads.
pub(super) type Connected = StreamOwned<ClientConnection, Socket>;

/// Bytes that are asked of the socket at once: rustls asks for a record, 16 KiB.
const AT_ONCE: usize = 256 << 10;

/// A socket that is read in large pieces.
pub(super) struct Socket(BufReader<TcpStream>);

impl Socket {
    pub(super) fn tcp(&self) -> &TcpStream {
        self.0.get_ref()
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.get_mut().write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.get_mut().flush()
    }
}

/// A name has to be said to a server, and none is looked at: the key is what tells who it is.
const NAME: &str = "scratch";
/// Bytes of a public key: Ed25519's 32, and what says that they are one (RFC 8410).
const LENGTH: usize = 44;

/// The public key of one side; as text it is hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicKey(Vec<u8>);

impl fmt::Display for PublicKey {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(to, "{byte:02x}"))
    }
}

impl FromStr for PublicKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut bytes = Vec::with_capacity(LENGTH);
        let mut digits = text.chars().map(|digit| digit.to_digit(16));
        while let Some(high) = digits.next() {
            let (Some(high), Some(Some(low))) = (high, digits.next()) else {
                return Err(());
            };
            bytes.push(u8::try_from(high << 4 | low).map_err(drop)?);
        }
        if bytes.len() == LENGTH {
            Ok(Self(bytes))
        } else {
            Err(())
        }
    }
}

/// A key pair of this process.
pub(super) struct Identity {
    pair: Arc<CertifiedKey>,
    public: PublicKey,
}

impl Identity {
    /// Makes one.
    pub(super) fn new() -> io::Result<Self> {
        let made = ring::signature::Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new())
            .map_err(|_| io::Error::other("no random bytes for a key"))?;
        let private = PrivatePkcs8KeyDer::from(made.as_ref());
        let key = provider::sign::any_eddsa_type(&private).map_err(io::Error::other)?;
        let public = key
            .public_key()
            .ok_or_else(|| io::Error::other("the key has no public half"))?;
        let public = PublicKey(public.as_ref().to_vec());
        let raw = CertificateDer::from(public.0.clone());
        Ok(Self {
            pair: Arc::new(CertifiedKey::new(vec![raw], key)),
            public,
        })
    }

    /// What the other side has to know.
    pub(super) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Takes a connection from `peer`, and from nobody else.
    pub(super) fn accept(&self, tcp: TcpStream, peer: &PublicKey) -> io::Result<Accepted> {
        let only = Only::new(peer);
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&only.provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(io::Error::other)?
            .with_client_cert_verifier(Arc::new(only))
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::clone(
                &self.pair,
            ))));
        // The key is of use once.
        config.send_tls13_tickets = 0;
        let connection = ServerConnection::new(Arc::new(config)).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }

    /// Connects to `peer`, and to nobody else. The peer may find out only afterwards that it does not know this side.
    pub(super) fn connect(&self, tcp: TcpStream, peer: &PublicKey) -> io::Result<Connected> {
        let only = Only::new(peer);
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&only.provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(only))
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(Arc::clone(
                &self.pair,
            ))));
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let socket = Socket(BufReader::with_capacity(AT_ONCE, tcp));
        let mut stream = StreamOwned::new(connection, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }
}

/// Takes one key alone for the other side's.
#[derive(Debug)]
struct Only {
    key: PublicKey,
    provider: Arc<CryptoProvider>,
}

impl Only {
    fn new(key: &PublicKey) -> Self {
        Self {
            key: key.clone(),
            provider: Arc::new(provider::default_provider()),
        }
    }

    fn is(&self, shown: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
        if shown.as_ref() == self.key.0 && others.is_empty() {
            return Ok(());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn signed(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let key = SubjectPublicKeyInfoDer::from(shown.as_ref());
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &key, signature, known)
    }
}

/// Only TLS 1.3 is spoken.
fn never() -> Result<HandshakeSignatureValid, rustls::Error> {
    Err(rustls::PeerIncompatible::Tls12NotOffered.into())
}

impl ServerCertVerifier for Only {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.is(shown, others).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        never()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signed(message, shown, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Only {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.is(shown, others).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        never()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signed(message, shown, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    /// Both ends of a connection: the one that was connected to expects `first`, the other one `second`.
    fn pair(
        [one, two]: [&Identity; 2],
        [first, second]: [&PublicKey; 2],
    ) -> (io::Result<Accepted>, io::Result<Connected>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::scope(|scope| {
            let accepted = scope.spawn(|| one.accept(listener.accept().unwrap().0, first));
            let connected = two.connect(TcpStream::connect(address).unwrap(), second);
            // A peer that waits for one that has left is let go.
            if let Err(error) = connected {
                return (accepted.join().unwrap(), Err(error));
            }
            (accepted.join().unwrap(), connected)
        })
    }

    fn identities() -> [Identity; 3] {
        std::array::from_fn(|_| Identity::new().unwrap())
    }

    #[test]
    fn two_that_know_each_other_understand_each_other() {
        let [one, two, _] = identities();
        let (accepted, connected) = pair([&one, &two], [two.public(), one.public()]);
        let (mut accepted, mut connected) = (accepted.unwrap(), connected.unwrap());
        let bytes = vec![7; 1 << 20];
        let sent = bytes.clone();
        let sending = thread::spawn(move || {
            accepted.write_all(&sent).unwrap();
            accepted.conn.send_close_notify();
            accepted.flush().unwrap();
        });
        let mut came = Vec::new();
        connected.read_to_end(&mut came).unwrap();
        sending.join().unwrap();
        assert!(came == bytes);
    }

    #[test]
    fn nobody_else_is_taken_for_the_other_side() {
        let [one, two, other] = identities();
        // The one that listens is somebody else.
        let (accepted, connected) = pair([&one, &two], [two.public(), other.public()]);
        assert!(accepted.is_err() && connected.is_err());
        // The one that connects is somebody else, and hears of it when it reads.
        let (accepted, connected) = pair([&one, &two], [other.public(), one.public()]);
        assert!(accepted.is_err());
        assert!(connected.and_then(|mut stream| stream.read(&mut [0])).is_err());
    }

    #[test]
    fn what_is_on_the_wire_does_not_hold_the_bytes_and_a_changed_one_is_found() {
        const TEXT: &[u8] = b"the key of the indexer";
        let [one, two, _] = identities();
        let (outer, inner) = (
            TcpListener::bind("127.0.0.1:0").unwrap(),
            TcpListener::bind("127.0.0.1:0").unwrap(),
        );
        let (there, here) = (inner.local_addr().unwrap(), outer.local_addr().unwrap());
        let is_known = AtomicBool::new(false);
        let both = Barrier::new(2);
        let seen = thread::scope(|scope| {
            let sending = scope.spawn(|| {
                let mut stream = one.accept(inner.accept().unwrap().0, two.public()).unwrap();
                both.wait();
                stream.write_all(TEXT).unwrap();
                stream.flush().unwrap();
            });
            let between = scope.spawn(|| {
                let (mut client, _) = outer.accept().unwrap();
                let mut server = TcpStream::connect(there).unwrap();
                let (mut up, mut down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                scope.spawn(move || io::copy(&mut up, &mut down));
                let (mut seen, mut piece) = (Vec::new(), [0; 4096]);
                loop {
                    let read = server.read(&mut piece).unwrap();
                    if read == 0 {
                        return seen;
                    }
                    piece[read - 1] ^= u8::from(is_known.load(Ordering::SeqCst));
                    seen.extend_from_slice(&piece[..read]);
                    client.write_all(&piece[..read]).unwrap();
                }
            });
            let mut stream = two
                .connect(TcpStream::connect(here).unwrap(), one.public())
                .unwrap();
            is_known.store(true, Ordering::SeqCst);
            both.wait();
            let mut came = Vec::new();
            stream.read_to_end(&mut came).unwrap_err();
            assert!(came.is_empty());
            drop(stream);
            sending.join().unwrap();
            between.join().unwrap()
        });
        assert!(!seen.windows(TEXT.len()).any(|part| part == TEXT));
    }

    #[test]
    fn a_key_is_read_as_it_is_written_or_refused() {
        let key = Identity::new().unwrap().public().clone();
        assert_eq!(key.to_string().parse(), Ok(key.clone()));
        let text = key.to_string();
        for wrong in [
            "",
            "0",
            "0g",
            &text[1..],
            &text[2..],
            &format!("{text}00"),
            &format!("+{}", &text[1..]),
        ] {
            assert_eq!(wrong.parse::<PublicKey>(), Err(()), "{wrong}");
        }
        assert_ne!(Identity::new().unwrap().public(), &key);
    }
}
