//! `pod.resources`: what a container asks for, and what it may use at most.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use k8s_openapi::{
    api::core::v1::ResourceRequirements, apimachinery::pkg::api::resource::Quantity,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

/// What a container asks for, and what it may use at most.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    /// What the scheduler keeps free for it, such as `{cpu: 500m, memory: 1Gi}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, Amount>,
    /// What it may use at most.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Amount>,
}

impl From<Resources> for ResourceRequirements {
    fn from(resources: Resources) -> Self {
        let amounts = |amounts: BTreeMap<String, Amount>| {
            let amounts = amounts.into_iter().map(|(name, amount)| (name, Quantity(amount.0)));
            Some(amounts.collect()).filter(|amounts: &BTreeMap<_, _>| !amounts.is_empty())
        };
        Self {
            requests: amounts(resources.requests),
            limits: amounts(resources.limits),
            ..Self::default()
        }
    }
}

/// An amount as Kubernetes writes it, as text or as a whole number: `500m`, `1Gi`, `2`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Amount(pub String);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount such as 500m, 1Gi or 2")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Amount, E> {
                Ok(Amount(number.to_string()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Amount, E> {
                Ok(Amount(number.to_string()))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
                Ok(Amount(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "type": "integer" }, { "type": "string" }],
            "x-kubernetes-int-or-string": true,
            "pattern": r"^([0-9]+|[0-9]*\.[0-9]+)(m|k|[KMGTPE]i|[MGTPE])?$",
        })
    }
}
