//! The server certificates that the client accepts.

use std::path::Path;
use std::sync::Arc;

use tokio::io::AsyncReadExt as _;

use super::super::authorities;
use super::server::{Authority, Script, Server};
use super::{TokenClient, World, error, ok, pass_elsewhere};
use crate::api::reason::Reason;
use crate::oauth::error::{Error, TlsFault};

#[tokio::test]
async fn certificate_of_an_untrusted_authority_is_refused() {
    let world = World::new();
    // An authority with another name, and another authority with the same name.
    for name in ["other", "test"] {
        let server = Server::start(Authority::new(name).identity(), ok()).await;
        let error = error(world.send("localhost", server.port).await);
        assert_eq!(error, Error::tls("localhost", TlsFault::UnknownIssuer));
        assert_eq!(error.reason(), Reason::TLSVerificationFailed);
        assert!(server.requests().is_empty());
    }
}

/// The file that takes the place of the system's authorities in the test below.
const SYSTEM: &str = "tokensource-test-authorities.pem";

/// Also checks that authorities are in memory once. The test needs a process whose environment names the system's authorities,
/// so it runs itself again.
#[tokio::test]
async fn bundle_replaces_the_authorities_of_the_system() {
    let Some(system) = std::env::var_os("SSL_CERT_FILE").filter(|path| Path::new(path).ends_with(SYSTEM))
    else {
        let directory = std::env::temp_dir().join(format!("tokensource-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let environment = [("SSL_CERT_FILE", directory.join(SYSTEM).into_os_string())];
        let environment = environment.each_ref().map(|(name, path)| (*name, path.as_os_str()));
        pass_elsewhere("certificates::bundle_replaces_the_authorities_of_the_system", &environment).await;
        return std::fs::remove_dir_all(directory).unwrap();
    };
    let mut world = World::new();
    std::fs::write(system, world.authority.pem()).unwrap();
    let server = world.server(ok()).await;

    world.settings.ca_bundle = None;
    assert!(world.send("localhost", server.port).await.is_ok());
    let impostor = Server::start(Authority::new("test").identity(), ok()).await;
    let error = error(world.send("localhost", impostor.port).await);
    assert_eq!(error, Error::tls("localhost", TlsFault::UnknownIssuer));
    let (one, other) = (authorities::system().unwrap(), authorities::system().unwrap());
    assert!(Arc::ptr_eq(&one, &other));

    let bundle = Authority::new("other").pem();
    let (one, other) = (authorities::of_bundle(&bundle).unwrap(), authorities::of_bundle(&bundle).unwrap());
    assert!(Arc::ptr_eq(&one, &other), "a bundle is in memory once");
    world.settings.ca_bundle = Some(bundle);
    let error = super::error(world.send("localhost", server.port).await);
    assert_eq!(error, Error::tls("localhost", TlsFault::UnknownIssuer));
}

/// A part of the directories' names in the test below.
const FOLDERS: &str = "tokensource-test-directories";

/// The chart adds authorities to the authorities of the image by naming two directories (`caBundle.includeSystem`). Kubernetes
/// mounts a `ConfigMap` as links into a hidden directory.
#[tokio::test]
async fn authorities_of_all_directories_are_trusted() {
    let directories =
        std::env::var_os("SSL_CERT_DIR").filter(|list| list.to_string_lossy().contains(FOLDERS));
    let Some(directories) = directories else {
        let root = std::env::temp_dir().join(format!("{FOLDERS}-{}", std::process::id()));
        let directories = ["system", "ours"].map(|name| root.join(name));
        for directory in &directories {
            std::fs::create_dir_all(directory.join("..data")).unwrap();
        }
        let list = std::env::join_paths(directories).unwrap();
        let environment = [("SSL_CERT_DIR", list.as_os_str())];
        pass_elsewhere("certificates::authorities_of_all_directories_are_trusted", &environment).await;
        return std::fs::remove_dir_all(root).unwrap();
    };
    let mut world = World::new();
    world.settings.ca_bundle = None;
    let authorities = ["system", "ours"].map(Authority::new);
    for (directory, authority) in std::env::split_paths(&directories).zip(&authorities) {
        std::fs::write(directory.join("..data/ca.crt"), authority.pem()).unwrap();
        std::os::unix::fs::symlink("..data/ca.crt", directory.join("ca.crt")).unwrap();
    }
    for authority in &authorities {
        let server = Server::start(authority.identity(), ok()).await;
        assert!(world.send("localhost", server.port).await.is_ok());
    }
    let server = Server::start(Authority::new("third").identity(), ok()).await;
    let error = error(world.send("localhost", server.port).await);
    assert_eq!(error, Error::tls("localhost", TlsFault::UnknownIssuer));
}

#[tokio::test]
async fn certificate_with_wrong_name_or_dates_is_refused() {
    let world = World::new();
    let cases = [
        (&["other.example"][..], (2020, 2120), TlsFault::WrongName),
        (&["localhost.other.example", "*.localhost"], (2020, 2120), TlsFault::WrongName),
        (&["localhost"], (2010, 2020), TlsFault::Expired),
        (&["localhost"], (2110, 2120), TlsFault::NotYetValid),
    ];
    for (names, years, fault) in cases {
        let server = Server::start(world.authority.issue(names, years), ok()).await;
        let error = error(world.send("localhost", server.port).await);
        assert_eq!(error, Error::tls("localhost", fault));
        assert!(server.requests().is_empty());
    }
}

#[tokio::test]
async fn server_without_tls_is_refused() {
    let world = World::new();
    let server = Server::start_plain(Script::answer("200 OK", "", "{}")).await;
    let error = error(world.send("localhost", server.port).await);
    assert_eq!(error, Error::tls("localhost", TlsFault::Handshake));
}

/// The client offers TLS 1.3 and 1.2 alone: the extension `supported_versions` (RFC 8446, section 4.2.1) in its first record.
#[tokio::test]
async fn no_version_of_tls_before_1_2_is_offered() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let world = World::new();
    let hello = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = vec![0; 4096];
        let length = stream.read(&mut hello).await.unwrap();
        hello.truncate(length);
        hello
    };
    let (hello, _) = tokio::join!(hello, world.send("localhost", port));
    let offered = |versions: &[u8]| hello.windows(versions.len()).any(|bytes| bytes == versions);
    assert!(offered(&[0, 0x2b, 0, 5, 4, 3, 4, 3, 3]), "{hello:02x?}");
}

#[test]
fn bundle_without_valid_certificates_is_refused() {
    let mut world = World::new();
    let not_a_certificate = "-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n";
    let broken = "-----BEGIN CERTIFICATE-----\ncanary%%\n-----END CERTIFICATE-----\n";
    for bundle in ["", "canary", not_a_certificate, broken] {
        world.settings.ca_bundle = Some(bundle.to_owned());
        let error = TokenClient::new(&world.settings).expect_err(bundle);
        assert_eq!(error.reason(), Reason::InvalidSpec, "{bundle:?}: {error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}
