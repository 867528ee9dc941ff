//! Dispatches a call to its operation.

use super::data::State;
use crate::operation::Operation;
use crate::reply::Reply;
use crate::request::Call;

impl State {
    /// Executes a call.
    pub(crate) fn execute(&mut self, call: &Call) -> Reply {
        let outcome = match &call.operation {
            Operation::CreateCustomer => self.create_customer(call),
            Operation::ListCustomers => self.list_customers(call),
            Operation::GetCustomer(id) => self.get_customer(call, id),
            Operation::CreateContract => self.create_contract(call),
            Operation::EditContract => self.edit_contract(call),
            Operation::GetContract => self.get_contract(call),
            Operation::ListContracts => self.list_contracts(call),
            Operation::ListEdits => self.list_edits(call),
            Operation::AddBalanceEntry => self.add_balance_entry(call),
            Operation::ListBalances => self.list_balances(call),
            Operation::Ingest => Ok(self.ingest(call)),
            Operation::SearchEvents => Ok(self.search_events(call)),
            Operation::RemoveCustomField => self.remove_custom_field(call),
            Operation::OtherWrite => self.write(call),
        };
        outcome.unwrap_or_else(|rejection| rejection)
    }
}
