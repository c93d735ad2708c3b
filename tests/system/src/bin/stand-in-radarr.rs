//! Stands in for Radarr: reads its `config.xml`, answers `/ping`, and checks the API key as Radarr does.
//!
//! It is what `/app/radarr/bin/Radarr` is in a simulated container. Like Radarr it refuses to start on a broken
//! `config.xml`, takes port, URL base and key from it once at start, and makes a key of its own if there is none.
//! `CONTAINER_ROOT` is the folder that stands for `/`; `CONTAINER_PORTS` a folder where it records which real port stands
//! for the one it was told, so that many tests run at once. Without them it uses `/` and the port itself.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    let root = std::env::var_os("CONTAINER_ROOT").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let data = std::env::args()
        .find_map(|argument| argument.strip_prefix("-data=/").map(str::to_owned))
        .context("cannot start without -data=/FOLDER")?;
    let path = root.join(data).join("config.xml");
    let mut config = std::fs::read_to_string(&path).unwrap_or_else(|_| "<Config>\n</Config>\n".to_owned());
    if !config.contains("</Config>") {
        bail!("cannot read {}: invalid XML", path.display());
    }
    if setting(&config, "ApiKey").is_none_or(str::is_empty) {
        let own = "0123456789abcdef0123456789abcdef";
        config = config.replace("</Config>", &format!("  <ApiKey>{own}</ApiKey>\n</Config>"));
        std::fs::write(&path, &config).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let port = setting(&config, "Port").unwrap_or("7878").to_owned();
    let url_base = setting(&config, "UrlBase").unwrap_or_default().to_owned();
    let key = setting(&config, "ApiKey").unwrap_or_default().to_owned();
    let listener = match std::env::var_os("CONTAINER_PORTS") {
        Some(ports) => {
            let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen on loopback")?;
            std::fs::create_dir_all(&ports)?;
            let record = PathBuf::from(ports).join(&port);
            std::fs::write(record, listener.local_addr()?.port().to_string())?;
            listener
        }
        None => TcpListener::bind(format!("0.0.0.0:{port}")).context("cannot listen")?,
    };
    println!("Radarr stand-in listens on port {port} below {url_base:?}");
    for stream in listener.incoming() {
        // A client that hangs up is its own affair.
        let _ = answer(stream?, &url_base, &key);
    }
    Ok(())
}

fn setting<'a>(config: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = config.split_once(&format!("<{name}>"))?;
    Some(after.split_once(&format!("</{name}>"))?.0)
}

fn answer(mut stream: TcpStream, url_base: &str, key: &str) -> Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().context("no request")??;
    let path = request.split(' ').nth(1).unwrap_or_default();
    let mut given = String::new();
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("x-api-key")
        {
            given = value.trim().to_owned();
        }
    }
    let (status, body) = match path.strip_prefix(url_base) {
        Some("/ping") => ("200 OK", r#"{"status":"OK"}"#),
        Some("/api/v3/system/status") if given == key => ("200 OK", r#"{"appName":"Radarr"}"#),
        Some("/api/v3/system/status") => ("401 Unauthorized", ""),
        _ => ("404 Not Found", ""),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    Ok(())
}
