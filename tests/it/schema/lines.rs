//! Refunds by line: of no line more goes back than it cost, and lines are what they belong to.

use super::{HERS, Schema};

/// The price of her booking, 10,000, in two lines.
fn priced() -> String {
    format!("insert into price_lines values ('{HERS}', 1, 'fare', 8000), ('{HERS}', 1, 'tax_1', 2000);")
}

/// A refund of hers with one line of it, in the state that it came to.
fn refund(id: u8, amount: i64, (item, of_it): (&str, i64), state: &str) -> String {
    let id = format!("00000000-0000-7000-8000-0000000000c{id}");
    format!(
        "insert into refunds (id, booking_id, attempt_id, amount_minor, currency, reason)
         values ('{id}', '{HERS}', '{HERS}', {amount}, 'EUR', 'test');
         insert into refund_lines values ('{id}', '{HERS}', 1, '{item}', {of_it});
         update refunds set state = '{state}' where id = '{id}';"
    )
}

#[tokio::test]
async fn the_lines_of_a_price_add_up_to_it() {
    let mut schema = Schema::with_cast().await;
    assert!(schema.try_as("jetbridge_system", None, &priced()).await.is_ok());
    let part = format!("insert into price_lines values ('{HERS}', 1, 'fare', 8000)");
    Schema::refused(schema.try_as("jetbridge_system", None, &part).await, "are not its total", &part);
    let later = format!("{} insert into price_lines values ('{HERS}', 2, 'fare', 1)", priced());
    Schema::refused(schema.try_as("jetbridge_system", None, &later).await, "are not its total", &later);
    for item in ["tip", "tax_0", "tax_100", "Fare", ""] {
        let sql = format!("insert into price_lines values ('{HERS}', 1, '{item}', 10000)");
        Schema::refused(schema.try_as("jetbridge_system", None, &sql).await, "item_form", &sql);
    }
    schema.end().await;
}

#[tokio::test]
async fn of_a_line_goes_back_what_it_cost_and_a_refund_is_the_sum_of_its_lines() {
    let mut schema = Schema::with_cast().await;
    let mut tried = async |refunds: &[String]| {
        let sql = format!("{} {}", priced(), refunds.concat());
        schema.try_as("jetbridge_system", None, &sql).await
    };
    let tax = |id: u8, amount: i64, state: &str| refund(id, amount, ("tax_1", amount), state);
    assert!(tried(&[tax(1, 1_500, "succeeded"), tax(2, 500, "requested")]).await.is_ok());
    let refused = [
        (vec![tax(1, 2_001, "requested")], "of this line"),
        (vec![tax(1, 1_500, "succeeded"), tax(2, 501, "requested")], "of this line"),
        (vec![refund(1, 1_500, ("tax_1", 1_499), "requested")], "are not its amount"),
        (vec![refund(1, 1_500, ("tax_2", 1_500), "requested")], "refund_lines_of_price"),
    ];
    for (refunds, because) in refused {
        Schema::refused(tried(&refunds).await, because, &refunds.concat());
    }
    // One that failed gave nothing back.
    assert!(tried(&[tax(1, 2_000, "failed"), tax(2, 2_000, "requested")]).await.is_ok());
    let elsewhere = "insert into refund_lines select r.id, p.booking_id, p.passenger, p.item, 1 from refunds r, price_lines p where r.booking_id <> p.booking_id";
    Schema::refused(tried(&[elsewhere.to_owned()]).await, "is not of booking", elsewhere);
    for change in
        ["update refund_lines set amount_minor = 1", "delete from refund_lines", "delete from price_lines"]
    {
        let sql = format!("{} {} {change}", priced(), tax(1, 1_500, "requested"));
        Schema::refused(schema.try_as("postgres", None, &sql).await, "append-only", change);
    }
    schema.end().await;
}
