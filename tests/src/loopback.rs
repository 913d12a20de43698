//! Loopback, also where the network is cut: a new network namespace (`unshare -rn`) has it switched off.

use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Once;

/// Makes sure that this machine can reach itself.
///
/// # Panics
///
/// When it cannot.
pub fn ensure() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let switch_on = |program: &str, args: &[&str]| {
            let mut command = Command::new(program);
            let quiet = command.args(args).stdin(Stdio::null()).stdout(Stdio::null());
            let _ = quiet.stderr(Stdio::null()).status();
        };
        if works() {
            return;
        }
        switch_on("ip", &["link", "set", "lo", "up"]);
        if !works() {
            switch_on("ifconfig", &["lo", "up"]);
        }
        assert!(
            works(),
            "127.0.0.1 cannot be reached; these tests need loopback: run `ip link set lo up` in this network namespace"
        );
    });
}

fn works() -> bool {
    let listener = TcpListener::bind("127.0.0.1:0");
    listener
        .and_then(|listener| TcpStream::connect(listener.local_addr()?))
        .is_ok()
}
