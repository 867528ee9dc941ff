//! Members of another JSON type than expected are passed over, and never spoil the rest.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

/// `None` where the value is not a `T`.
pub(crate) fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(T::deserialize(Value::deserialize(deserializer)?).ok())
}
