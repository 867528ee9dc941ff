//! The operations of the API.

use http::Method;

use crate::writes;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    CreateCustomer,
    ListCustomers,
    GetCustomer(String),
    CreateContract,
    EditContract,
    GetContract,
    ListContracts,
    ListEdits,
    AddBalanceEntry,
    ListBalances,
    Ingest,
    SearchEvents,
    RemoveCustomField,
    /// A documented write without an implementation of its own.
    OtherWrite,
}

impl Operation {
    /// The operation of this method and path, if there is one.
    pub(crate) fn find(method: &Method, path: &str) -> Option<Self> {
        match *method {
            Method::GET => Self::find_get(path),
            Method::POST => Self::find_post(path),
            _ => None,
        }
    }

    fn find_get(path: &str) -> Option<Self> {
        match path.strip_prefix("/v1/customers")? {
            "" => Some(Self::ListCustomers),
            rest => rest.strip_prefix('/').filter(|id| !id.is_empty() && !id.contains('/')).map(Self::get_customer),
        }
    }

    fn get_customer(id: &str) -> Self {
        Self::GetCustomer(id.to_owned())
    }

    fn find_post(path: &str) -> Option<Self> {
        Some(match path {
            "/v1/customers" => Self::CreateCustomer,
            "/v1/contracts/create" => Self::CreateContract,
            "/v2/contracts/edit" => Self::EditContract,
            "/v2/contracts/get" => Self::GetContract,
            "/v2/contracts/list" => Self::ListContracts,
            "/v2/contracts/getEditHistory" => Self::ListEdits,
            "/v1/contracts/addManualBalanceLedgerEntry" => Self::AddBalanceEntry,
            "/v1/contracts/customerBalances/list" => Self::ListBalances,
            "/v1/ingest" => Self::Ingest,
            "/v1/events/search" => Self::SearchEvents,
            "/v1/customFields/removeKey" => Self::RemoveCustomField,
            other if writes::is_documented(other) => Self::OtherWrite,
            _ => return None,
        })
    }

    /// Whether the operation changes anything.
    pub(crate) fn is_write(&self) -> bool {
        match self {
            Self::ListCustomers
            | Self::GetCustomer(_)
            | Self::GetContract
            | Self::ListContracts
            | Self::ListEdits
            | Self::ListBalances
            | Self::SearchEvents => false,
            Self::CreateCustomer
            | Self::CreateContract
            | Self::EditContract
            | Self::AddBalanceEntry
            | Self::Ingest
            | Self::RemoveCustomField
            | Self::OtherWrite => true,
        }
    }
}
