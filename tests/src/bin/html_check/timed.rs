//! How long a reader waits: the page in headless Chromium by the real clock. What the page measured it sends to a socket of ours.

use serde_json::{Map, Value};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SCRIPT: &str = include_str!("timed.js");
/// How long all of it may take: against hanging.
const PATIENCE: Duration = Duration::from_secs(120);

/// What took how many milliseconds; `null` is what never came.
pub(super) fn timed(
    page: &str,
    folder: &Path,
    browser: &Path,
) -> Result<Map<String, Value>, String> {
    let wrong = |error: std::io::Error| error.to_string();
    let listener = TcpListener::bind("127.0.0.1:0").map_err(wrong)?;
    listener.set_nonblocking(true).map_err(wrong)?;
    let port = listener.local_addr().map_err(wrong)?.port().to_string();
    let policy = format!("content=\"default-src 'none'; connect-src http://127.0.0.1:{port};");
    let page = page.replacen("content=\"default-src 'none';", &policy, 1);
    let copy = super::instrumented(&page, &SCRIPT.replace("PORT", &port))
        .ok_or("the page has no head or no end")?;
    let file = folder.join("timed.html");
    fs::write(&file, copy).map_err(wrong)?;
    let mut browser = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu"])
        .args(["--window-size=1280,900", "--remote-debugging-port=0"])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("timed").display()
        ))
        .arg(format!("file://{}", file.display()))
        .process_group(0)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(wrong)?;
    let told = answer(&listener);
    end(&mut browser);
    serde_json::from_str(&told?).map_err(|error| error.to_string())
}

/// Ends the browser with all that it started: what was started may be a script around it.
fn end(browser: &mut Child) {
    let group = format!("-{}", browser.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
    let _ = browser.kill();
    let _ = browser.wait();
}

fn answer(listener: &TcpListener) -> Result<String, String> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        match listener.accept() {
            Ok((stream, _)) => {
                let body = body(stream).map_err(|error| error.to_string())?;
                // A browser may ask first whether it may.
                if !body.is_empty() {
                    return Ok(body);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Err("the page told nothing within two minutes".into())
}

fn body(mut stream: TcpStream) -> std::io::Result<String> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut request = Vec::new();
    let mut part = [0; 4096];
    loop {
        let n = stream.read(&mut part)?;
        request.extend_from_slice(&part[..n]);
        let text = String::from_utf8_lossy(&request);
        let whole = text.split_once("\r\n\r\n").map(|(head, body)| {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse().ok())?
            });
            (body.to_string(), length.unwrap_or(0))
        });
        match whole {
            Some((body, length)) if body.len() >= length || n == 0 => {
                stream.write_all(b"HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n")?;
                return Ok(body);
            }
            None if n == 0 => return Ok(String::new()),
            _ => {}
        }
    }
}
