//! References to other objects of the same namespace.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::rule;

/// A key of an object in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct KeyReference {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::object_name())]
    pub name: String,

    /// The key of the object's data.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::data_key())]
    pub key: String,
}

/// An object in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct ObjectReference {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::object_name())]
    pub name: String,
}
