//! Invoices, as far as requests make them. Usage makes none.

use http::StatusCode;
use serde_json::{Value, json};

use super::data::{Object, State};
use super::kinds::INVOICE;
use super::pages::BY_NEXT_PAGE;
use super::values::{items, merge, number, picked, text};
use crate::call::Call;
use crate::reply::{Outcome, Reply};

/// The least that is a PDF.
const PDF: &[u8] = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n";

impl State {
    pub(crate) fn list_invoices(&self, call: &Call) -> Outcome {
        let (customer, status) = (call.text("customer_id"), call.text("status"));
        let is_wanted = |invoice: &Object| status.is_empty() || invoice.document["status"] == *status;
        let invoices = self.owned(&INVOICE, &customer).filter(|(_, invoice)| is_wanted(invoice));
        BY_NEXT_PAGE.page(call, invoices, |_, invoice| invoice.document.clone())
    }

    pub(crate) fn get_invoice(&self, call: &Call) -> Outcome {
        self.find(call, &INVOICE, "invoice_id").map(|invoice| Reply::data(invoice.document.clone()))
    }

    pub(crate) fn invoice_pdf(&self, call: &Call) -> Outcome {
        self.find(call, &INVOICE, "invoice_id").map(|_| Reply::pdf(PDF))
    }

    pub(crate) fn schedule_invoice(&mut self, call: &Call) -> Outcome {
        let (customer, body) = (call.text("customer_id"), call.body.clone());
        let mut invoice = self.invoice(&customer, &body, "PROFESSIONAL_SERVICES", items(&body, "line_items"));
        merge(&mut invoice, picked(&["contract_id", "issued_at"], &body));
        let id = self.insert_invoice(&customer, &invoice);
        self.record(call, &id);
        Ok(Reply::data(json!([invoice])))
    }

    pub(crate) fn create_invoices(&mut self, call: &Call) -> Outcome {
        let body = call.body.clone();
        let invoices = items(&body, "invoices").map(|wanted| {
            let lines = items(wanted, "usage_line_items");
            let mut invoice = self.invoice(text(wanted, "customer_id"), wanted, "USAGE", lines);
            merge(&mut invoice, picked(&["contract_id"], wanted));
            invoice
        });
        let invoices: Vec<Value> = invoices.collect();
        if call.field("preview") != true {
            let ids = invoices.iter().map(|invoice| self.insert_invoice(text(invoice, "customer_id"), invoice));
            let first = ids.collect::<Vec<_>>().into_iter().next().unwrap_or_default();
            self.record(call, &first);
        }
        Ok(Reply::data(invoices.into()))
    }

    fn invoice<'a>(&mut self, customer: &str, of: &Value, kind: &str, lines: impl Iterator<Item = &'a Value>) -> Value {
        let credit_type = self.credit_type(&of["credit_type_id"]);
        let lines: Vec<Value> = lines.map(|line| self.line(line, &credit_type)).collect();
        let total: f64 = lines.iter().map(|line| number(line, "total")).sum();
        json!({
            "id": self.new_id(),
            "customer_id": customer,
            "credit_type": credit_type,
            "line_items": lines,
            "status": "DRAFT",
            "total": total,
            "type": kind,
        })
    }

    fn line(&self, line: &Value, credit_type: &Value) -> Value {
        let product = self.product(&line["product_id"]);
        let name = product["name"].as_str().unwrap_or("Professional service").to_owned();
        let (quantity, price) = (number(line, "quantity"), number(line, "unit_price"));
        let mut shown = picked(&["product_id", "professional_service_id", "metadata"], line);
        let amounts = json!({
            "credit_type": credit_type,
            "name": name,
            "quantity": quantity,
            "unit_price": price,
            "total": quantity * price,
            "type": if line["professional_service_id"].is_null() { "usage" } else { "professional_service" },
        });
        merge(&mut shown, amounts);
        shown
    }

    fn insert_invoice(&mut self, customer: &str, invoice: &Value) -> String {
        let id = text(invoice, "id").to_owned();
        let object = Object::new(invoice.clone(), customer);
        self.insert(&INVOICE, &id, object);
        id
    }

    /// Of a voided invoice.
    pub(crate) fn regenerate_invoice(&mut self, call: &Call) -> Outcome {
        let old = self.find(call, &INVOICE, "id")?.clone();
        if old.document["status"] != "VOID" {
            return Err(call.rejection(StatusCode::BAD_REQUEST, "Only a voided invoice can be regenerated"));
        }
        let id = self.new_id();
        let mut document = old.document;
        let new = json!({ "id": id, "status": "DRAFT", "regenerated_from_invoice_id": call.field("id") });
        merge(&mut document, new);
        self.insert(&INVOICE, &id, Object { document, ..old });
        self.record(call, &id);
        Ok(Reply::data(json!({ "id": id })))
    }

    pub(crate) fn void_invoice(&mut self, call: &Call) -> Outcome {
        let invoice = self.find_mut(call, &INVOICE, "id")?;
        if invoice.document["status"] == "VOID" {
            return Err(call.rejection(StatusCode::BAD_REQUEST, "Invoice already voided"));
        }
        invoice.document["status"] = "VOID".into();
        self.record(call, &call.text("id"));
        Ok(Reply::data(json!({ "id": call.field("id") })))
    }
}
