//! An outage of Keycloak: it is killed and started again.

#![allow(missing_docs)]

use tokensource_kit::authority::Authority;
use tokensource_kit::keycloak::{Keycloak, MACHINE, REALM};

#[tokio::test]
async fn killed_keycloak_starts_again_with_the_realms_of_the_first_start() {
    let keycloak = Keycloak::start(&Authority::new("a test authority")).await;
    keycloak.set_client_secret(REALM, MACHINE, "another secret").await;
    keycloak.process().kill9();
    keycloak.process().start_again();
    keycloak.ready().await;
    // The call panics if Keycloak refuses the client's first secret.
    assert!(!keycloak.is_active(REALM, "no token").await);
}
