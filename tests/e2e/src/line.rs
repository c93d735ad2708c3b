//! A line to the API server that can be cut, and mended again.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Takes connections on an address of its own and leads them to a server, until it is dropped.
pub struct Line {
    address: SocketAddr,
    is_cut: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Line {
    /// To this server, `address:port`.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn to(server: String) -> Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen")?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let (is_cut, seen) = watch::channel(false);
        Ok(Self {
            address: listener.local_addr()?,
            is_cut,
            task: tokio::spawn(lead(listener, server, seen)),
        })
    }

    /// Where it begins.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections, and each new one at once.
    pub fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    /// From now on it leads to the server again.
    pub fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn lead(listener: TcpListener, server: String, is_cut: watch::Receiver<bool>) {
    // What cannot be accepted is the client's to try again.
    while let Ok((mut client, _)) = listener.accept().await {
        let (server, mut is_cut) = (server.clone(), is_cut.clone());
        tokio::spawn(async move {
            if *is_cut.borrow_and_update() {
                return;
            }
            let Ok(mut upstream) = TcpStream::connect(server).await else {
                return;
            };
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut upstream) => {}
                _ = is_cut.wait_for(|is_cut| *is_cut) => {}
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn asks(line: &Line) -> Result<u8> {
        let mut stream = TcpStream::connect(line.address()).await?;
        stream.write_all(b"x").await?;
        Ok(stream.read_u8().await?)
    }

    #[tokio::test]
    async fn a_line_leads_until_it_is_cut_and_again_when_it_is_mended() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let line = Line::to(server.local_addr().unwrap().to_string()).unwrap();
        // It answers each byte with the same one.
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = server.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        assert_eq!(asks(&line).await.unwrap(), b'x');
        let mut open = TcpStream::connect(line.address()).await.unwrap();
        open.write_all(b"x").await.unwrap();
        assert_eq!(open.read_u8().await.unwrap(), b'x');
        line.cut();
        assert!(open.read_u8().await.is_err(), "what was open is cut");
        assert!(asks(&line).await.is_err());
        line.mend();
        assert_eq!(asks(&line).await.unwrap(), b'x');
    }
}
