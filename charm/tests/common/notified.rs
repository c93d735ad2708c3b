//! Who is notified: a receiver, and a unit that has something to tell.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;

use config_recovery::locations::Location;
use config_recovery::testing;
use juju_charm::testing::Event;

use super::unit::Unit;
use super::{in_order, radarr};

/// What a receiver does with a request that has come.
pub type Answers = fn(&mut TcpStream);

pub const TAKEN: Answers = |stream| {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
};

/// A receiver: where it is, and the whole of each request that it was sent.
pub fn receiver(answers: Answers) -> (SocketAddr, mpsc::Receiver<String>) {
    receiver_at("127.0.0.1:0".parse().unwrap(), answers)
}

/// The same at an address that is known already.
pub fn receiver_at(address: SocketAddr, answers: Answers) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, received) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut text = String::new();
            let mut piece = [0; 4096];
            while body(&text).is_none() {
                match stream.read(&mut piece) {
                    Ok(read @ 1..) => text.push_str(std::str::from_utf8(&piece[..read]).unwrap()),
                    _ => break,
                }
            }
            let _ = sender.send(text);
            answers(&mut stream);
        }
    });
    (address, received)
}

/// What a request in JSON says; `None` before all of it is there.
pub fn body(request: &str) -> Option<serde_json::Value> {
    let (_, body) = request.split_once("\r\n\r\n")?;
    serde_json::from_str(body).ok()
}

/// A Radarr whose backups are as they should be.
pub fn backed_up() -> Unit {
    let mut unit = Unit::settled(&radarr()).related_to_velero();
    unit.cluster.trust();
    unit.recovery.standing = Some(in_order());
    unit
}

/// The same with somebody to notify.
pub fn notifying(mut unit: Unit, url: &str) -> Unit {
    unit.state = unit
        .state
        .clone()
        .with_config("notify-url", url)
        .with_config("verify-schedule", "none");
    unit.run(Event::ConfigChanged);
    unit.run(Event::UpdateStatus);
    unit
}

/// From now on there is something to tell.
pub fn storage_goes(unit: &Unit) {
    unit.recovery.locations.replace(vec![Location {
        is_available: Some(false),
        message: Some("no bucket".to_owned()),
        ..testing::location("default")
    }]);
    forget(unit);
}

/// What was seen of the cluster counts no more.
pub fn forget(unit: &Unit) {
    let _ = std::fs::remove_file(unit.volume().with_file_name("cluster-seen.json"));
}
