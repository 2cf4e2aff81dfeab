//! A real forward proxy, Debian's tinyproxy, that requires a user and a password.
//!
//! Knows tinyproxy's configuration and log. Must not know its clients.

use std::net::TcpStream;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Process, Program};
use crate::{assets, eventually, unique};

/// The deadline of the start, which takes a tenth of a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running tinyproxy on 127.0.0.1. Dropping this value ends the process.
pub struct Tinyproxy {
    process: Process,
    port: u16,
    // Last, because the files must outlive the process.
    directory: TempDir,
}

impl Tinyproxy {
    /// Starts a proxy that accepts this user with this password, both of letters and digits.
    pub async fn start(user: &str, password: &str) -> Self {
        let directory =
            tempfile::Builder::new().prefix("tinyproxy-").tempdir().expect("a temporary directory");
        let port = unique::port();
        let (binary, arguments) = (assets::tinyproxy().join("tinyproxy"), ["-d", "-c", "tinyproxy.conf"]);
        let program =
            Program::new(directory.path(), "tinyproxy", binary, arguments.map(ToOwned::to_owned).into());
        configure(&directory, port, user, password);
        let proxy = Self { process: Process::start(program), port, directory };
        proxy.ready().await;
        proxy
    }

    /// Restarts the proxy at the same port, with other credentials. All connections through the proxy end.
    pub async fn restart(&self, user: &str, password: &str) {
        self.process.kill9();
        configure(&self.directory, self.port, user, password);
        self.process.start_again();
        self.ready().await;
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The number of connections that the proxy has established to this host, at any port: the log does not name the port.
    pub fn tunnels_to(&self, host: &str) -> usize {
        let opened = format!("Established connection to host \"{host}\"");
        self.process.logs().lines().filter(|line| line.contains(&opened)).count()
    }

    async fn ready(&self) {
        eventually("tinyproxy", PATIENCE, async || {
            let connected = TcpStream::connect(("127.0.0.1", self.port)).map(drop);
            connected.map_err(|error| format!("{error}: {}", self.process.tail(20)))
        })
        .await;
    }
}

fn configure(directory: &TempDir, port: u16, user: &str, password: &str) {
    let configuration = format!(
        "Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nLogLevel Info\nBasicAuth {user} {password}\n"
    );
    std::fs::write(directory.path().join("tinyproxy.conf"), configuration).expect("a file in our directory");
}
