//! Whom the client believes to be the endpoint.

use std::path::Path;
use std::sync::Arc;

use super::super::authorities;
use super::server::{Authority, Script, Server};
use super::{Exchanger, World, error, ok, pass_elsewhere};
use crate::api::reason::Reason;
use crate::oauth::error::{Error, TlsFault};

#[tokio::test]
async fn certificates_must_be_trusted() {
    let world = World::new();
    // An authority of another name, and an impostor of the same one.
    for name in ["other", "test"] {
        let server = Server::start(Authority::new(name).identity(), ok()).await;
        let error = error(world.send("localhost", server.port).await);
        assert_eq!(error, Error::tls("localhost", TlsFault::UnknownIssuer));
        assert_eq!(error.reason(), Reason::TLSVerificationFailed);
        assert!(server.requests().is_empty());
    }
}

/// The name of the file that plays the system's authorities in the test below.
const SYSTEM: &str = "tokensource-test-authorities.pem";

/// A bundle replaces the system's authorities, which are in memory once. Needs a process whose environment names them, so the test runs
/// itself once more.
#[tokio::test]
async fn a_bundle_takes_the_systems_place() {
    let Some(system) = std::env::var_os("SSL_CERT_FILE").filter(|path| Path::new(path).ends_with(SYSTEM))
    else {
        let folder = std::env::temp_dir().join(format!("tokensource-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let environment = [("SSL_CERT_FILE", folder.join(SYSTEM).into_os_string())];
        let environment = environment.each_ref().map(|(name, path)| (*name, path.as_os_str()));
        pass_elsewhere("certificates::a_bundle_takes_the_systems_place", &environment).await;
        return std::fs::remove_dir_all(folder).unwrap();
    };
    let mut world = World::new();
    std::fs::write(system, world.authority.pem()).unwrap();
    let server = world.server(ok()).await;

    world.transport.ca_bundle = None;
    assert!(world.send("localhost", server.port).await.is_ok());
    let impostor = Server::start(Authority::new("test").identity(), ok()).await;
    let error = error(world.send("localhost", impostor.port).await);
    assert_eq!(error, Error::tls("localhost", TlsFault::UnknownIssuer));
    let (one, other) = (authorities::system().unwrap(), authorities::system().unwrap());
    assert!(Arc::ptr_eq(&one, &other));

    let bundle = Authority::new("other").pem();
    let (one, other) = (authorities::of_bundle(&bundle).unwrap(), authorities::of_bundle(&bundle).unwrap());
    assert!(Arc::ptr_eq(&one, &other), "a bundle is in memory once, too");
    world.transport.ca_bundle = Some(bundle);
    let error = super::error(world.send("localhost", server.port).await);
    assert_eq!(error, Error::tls("localhost", TlsFault::UnknownIssuer));
}

#[tokio::test]
async fn certificates_must_fit() {
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
async fn a_server_without_tls_is_refused() {
    let world = World::new();
    let server = Server::start_plain(Script::answer("200 OK", "", "{}")).await;
    let error = error(world.send("localhost", server.port).await);
    assert_eq!(error, Error::tls("localhost", TlsFault::Handshake));
}

#[test]
fn bundles_must_hold_certificates() {
    let mut world = World::new();
    let not_a_certificate = "-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n";
    let broken = "-----BEGIN CERTIFICATE-----\ncanary%%\n-----END CERTIFICATE-----\n";
    for bundle in ["", "canary", not_a_certificate, broken] {
        world.transport.ca_bundle = Some(bundle.to_owned());
        let error = Exchanger::new(&world.transport).expect_err(bundle);
        assert_eq!(error.reason(), Reason::InvalidSpec, "{bundle:?}: {error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}
