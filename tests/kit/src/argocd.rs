//! Runs the shipped health checks for Argo CD on objects, in the version of Lua that Argo CD uses (5.1). Knows how Argo CD
//! calls a check; must not know the right result.

use mlua::{Lua, LuaOptions, LuaSerdeExt, StdLib};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::shipped::repository;

/// An object's health: `Healthy`, `Progressing`, `Degraded` or `Suspended`, and the message.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Health {
    /// One of the health statuses of Argo CD.
    pub status: String,
    /// A sentence.
    pub message: String,
}

/// Runs the check of the object's kind.
pub fn health(object: &impl Serialize) -> Health {
    let object = serde_json::to_value(object).expect("an object can be written as JSON");
    let text =
        std::fs::read_to_string(repository().join("deploy/gitops/argocd-cm.yaml")).expect("the checks");
    let config: Value = serde_saphyr::from_str(&text).expect("YAML");
    let kind = object["kind"].as_str().expect("a kind");
    let check = config["data"][format!("resource.customizations.health.tokensource.dev_{kind}")].as_str();
    let check = check.unwrap_or_else(|| panic!("there is no check for {kind}"));
    // The check has no files, no processes and no network, as in Argo CD.
    let lua = Lua::new_with(StdLib::TABLE | StdLib::STRING | StdLib::MATH, LuaOptions::new()).expect("Lua");
    let options =
        mlua::serde::SerializeOptions::new().serialize_none_to_null(false).serialize_unit_to_null(false);
    let value = lua.to_value_with(&object, options).expect("a table");
    lua.globals().set("obj", value).expect("a global");
    let answer = lua.load(check).eval().unwrap_or_else(|error| panic!("the check of {kind}: {error}"));
    lua.from_value(answer).unwrap_or_else(|error| panic!("the check of {kind}: {error}"))
}
