//! The complete request for each documented provider, byte for byte, made from the documented manifest (`deploy/examples`),
//! and how its answers are read. This file has the five providers that the project was built for. Knows manifests and bytes;
//! must not know how one becomes the other. `UPDATE_GOLDEN=1` writes the files again.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // a test: also in its helpers

mod answers;
mod assertion;
mod catalog;
mod check;
mod example;
mod init;
mod pages;

use example::{Example, compare};

/// The refresh token from Apiax's password grant.
const REFRESH_TOKEN: &str = "eyJ+refresh/=";

/// File of the manifest, name of the `TokenSource` in it.
const REQUESTS: [(&str, &str); 6] = [
    ("prisjakt", "prisjakt"),
    ("pliant", "pliant"),
    ("pliant", "pliant-sandbox"),
    ("v2", "v2"),
    ("ocrolus", "ocrolus"),
    ("apiax", "apiax"),
];

#[test]
fn the_requests_are_the_documented_ones_byte_for_byte() {
    for (file, name) in REQUESTS {
        compare("requests", name, &Example::load(file, name).request(None));
    }
    compare("requests", "apiax-refresh", &Example::load("apiax", "apiax").request(Some(REFRESH_TOKEN)));
}

#[test]
fn the_examples_are_admitted_as_they_stand() {
    for (file, name) in REQUESTS {
        Example::load(file, name).assert_admitted();
    }
}
