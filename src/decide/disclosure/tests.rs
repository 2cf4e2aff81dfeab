//! How much may be shown, by the person who chose the host.

use super::*;
use crate::api::{ProviderReference, ServiceAccountTokenSettings};
use crate::decide::fixture::{HOST, Scene};

type Change = fn(&mut Scene);

#[test]
fn disclosure_depends_on_the_person_who_chose_the_host() {
    let of_cluster: Change = |scene| {
        scene.spec.credentials_ref = None;
        scene.credentials = ReferencedSecret::Unnamed;
        scene.spec.provider = None;
        let kind = ProviderKind::ClusterTokenProvider;
        scene.spec.provider_ref = Some(ProviderReference { kind, name: "corporate".to_owned() });
    };
    let nobody: Change = |scene| scene.credentials = ReferencedSecret::Unnamed;
    let other_host: Change = |scene| {
        if let ReferencedSecret::Present { allowed_hosts, .. } = &mut scene.credentials {
            *allowed_hosts = Some("elsewhere.example.com".to_owned());
        }
    };
    let account: Change = |scene| {
        scene.credentials = ReferencedSecret::Unnamed;
        scene.provider().client_authentication.service_account_token =
            Some(ServiceAccountTokenSettings::default());
    };
    let cases: [(&str, Change, bool, Disclosure); 6] = [
        ("an owner's credentials", |_| {}, true, Disclosure::ListedCodes),
        ("an administrator's provider", of_cluster, true, Disclosure::Full),
        ("nobody", nobody, true, Disclosure::Withheld),
        ("credentials for another host", other_host, true, Disclosure::Withheld),
        ("a ServiceAccount whose owner has allowed the host", account, true, Disclosure::ListedCodes),
        ("a ServiceAccount whose owner has not allowed the host", account, false, Disclosure::Withheld),
    ];
    let host = Endpoint::parse(&format!("https://{HOST}/token")).unwrap();
    for (name, change, accounts_consented, expected) in cases {
        let mut scene = Scene::fresh();
        change(&mut scene);
        let provider = scene.provider.clone().unwrap();
        assert_eq!(disclosure(&scene.observed(), &provider, &host, accounts_consented), expected, "{name}");
    }
}
