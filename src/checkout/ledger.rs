//! The ledger: which entries a fact about money makes, and the one way to write them.
//!
//! Signed minor units: a debit is positive, a credit negative. PostgreSQL itself refuses what does not sum to zero.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::{
    db::{System, Tx},
    error::AppError,
    ids::{AttemptId, BookingId, DisputeId, RefundId},
    money::{Money, MoneyError},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Account {
    /// What Stripe owes us.
    StripeClearing,
    /// What we owe travellers for tickets not yet issued.
    CustomerDeposits,
    SupplierPayable,
    AgencyRevenue,
    /// What we have promised to pay back.
    RefundsPayable,
    /// What Stripe keeps for its services.
    StripeFees,
    /// What a bank has taken back until it decides.
    DisputeHold,
    /// What we pay for and nobody pays us.
    Loss,
    /// Money whose meaning is not known.
    Suspense,
    /// What we paid travellers past Stripe, out of our own bank account or till. Stripe still owes it to us.
    AgencyBank,
}

impl Account {
    pub const fn code(self) -> &'static str {
        match self {
            Self::StripeClearing => "stripe_clearing",
            Self::CustomerDeposits => "customer_deposits",
            Self::SupplierPayable => "supplier_payable",
            Self::AgencyRevenue => "agency_revenue",
            Self::RefundsPayable => "refunds_payable",
            Self::StripeFees => "stripe_fees",
            Self::DisputeHold => "dispute_hold",
            Self::Loss => "loss",
            Self::Suspense => "suspense",
            Self::AgencyBank => "agency_bank",
        }
    }
}

/// A fact about money. Authorised money is no fact yet: nobody owns it but the traveller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posting {
    /// A card was charged.
    Captured {
        attempt: AttemptId,
        amount: Money,
    },
    /// What lies there of a charge belongs to a ticket: `cost` to the supplier, the rest is ours, or ours to bear where some
    /// of it has gone back already.
    Sold {
        attempt: AttemptId,
        deposits: Money,
        cost: Money,
    },
    /// Money without a ticket is owed back.
    RefundPromised {
        refund: RefundId,
        amount: Money,
    },
    /// Staff give money back. `from_deposits` of it is money without a ticket; the rest is our loss: the supplier is owed
    /// the ticket's cost all the same.
    RefundGranted {
        refund: RefundId,
        amount: Money,
        from_deposits: Money,
    },
    RefundPaid {
        refund: RefundId,
        amount: Money,
    },
    /// A bank sent the refund back.
    RefundReturned {
        refund: RefundId,
        amount: Money,
    },
    /// This refund will not happen: the money is the traveller's deposit again, until another way is found.
    RefundFailed {
        refund: RefundId,
        amount: Money,
    },
    /// That other way: a person has paid it, and not out of what Stripe owes us.
    RefundPaidByHand {
        refund: RefundId,
        amount: Money,
    },
    /// Tickets were cancelled: what lay as `deposits` and what the `supplier` no longer gets (or gets, where it is negative)
    /// is `refunded` or ours.
    Cancelled {
        attempt: AttemptId,
        deposits: Money,
        supplier: Money,
        refunded: Money,
    },
    /// A bank has taken a payment back.
    DisputeOpened {
        dispute: DisputeId,
        amount: Money,
    },
    /// The bank leaves it with us after all.
    DisputeWon {
        dispute: DisputeId,
        amount: Money,
    },
    /// It stays with the traveller. `from_deposits` of it we owed them anyway; the rest is our loss.
    DisputeLost {
        dispute: DisputeId,
        amount: Money,
        from_deposits: Money,
    },
    /// A bank had given money to the traveller before anybody knew what it was: so much of what we owe them is paid with it.
    DisputeCovered {
        dispute: DisputeId,
        amount: Money,
    },
    /// Tickets that nobody pays for, because their booking had ended: what the supplier keeps is our loss.
    TicketsLost {
        booking: BookingId,
        amount: Money,
    },
    /// Stripe took money that does not fit what was accepted.
    Unexplained {
        attempt: AttemptId,
        amount: Money,
    },
    /// A person knows what it is: from here on it goes by its own name, or it went back at Stripe.
    Explained {
        attempt: AttemptId,
        amount: Money,
    },
}

impl Posting {
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Captured { .. } => "captured",
            Self::Sold { .. } => "sold",
            Self::RefundPromised { .. } => "refund_promised",
            Self::RefundGranted { .. } => "refund_granted",
            Self::RefundPaid { .. } => "refund_paid",
            Self::RefundReturned { .. } => "refund_returned",
            Self::RefundFailed { .. } => "refund_failed",
            Self::RefundPaidByHand { .. } => "refund_paid_by_hand",
            Self::Cancelled { .. } => "cancelled",
            Self::DisputeOpened { .. } => "dispute_opened",
            Self::DisputeWon { .. } => "dispute_won",
            Self::DisputeLost { .. } => "dispute_lost",
            Self::DisputeCovered { .. } => "dispute_covered",
            Self::TicketsLost { .. } => "tickets_lost",
            Self::Unexplained { .. } => "unexplained",
            Self::Explained { .. } => "explained",
        }
    }

    /// The same fact has the same key, however often it is heard.
    pub fn key(&self) -> String {
        let subject = match self {
            Self::Captured { attempt, .. }
            | Self::Sold { attempt, .. }
            | Self::Cancelled { attempt, .. }
            | Self::Unexplained { attempt, .. }
            | Self::Explained { attempt, .. } => attempt.to_string(),
            Self::RefundPromised { refund, .. }
            | Self::RefundGranted { refund, .. }
            | Self::RefundPaid { refund, .. }
            | Self::RefundReturned { refund, .. }
            | Self::RefundFailed { refund, .. }
            | Self::RefundPaidByHand { refund, .. } => refund.to_string(),
            Self::DisputeOpened { dispute, .. }
            | Self::DisputeWon { dispute, .. }
            | Self::DisputeLost { dispute, .. }
            | Self::DisputeCovered { dispute, .. } => dispute.to_string(),
            Self::TicketsLost { booking, .. } => booking.to_string(),
        };
        format!("{}:{subject}", self.kind())
    }

    pub fn entries(&self) -> Result<Vec<(Account, Money)>, MoneyError> {
        let credit = |money: Money| money.checked_mul(-1);
        Ok(match *self {
            Self::Captured { amount, .. } => {
                vec![(Account::StripeClearing, amount), (Account::CustomerDeposits, credit(amount)?)]
            }
            Self::Sold { deposits, cost, .. } => vec![
                (Account::CustomerDeposits, deposits),
                (Account::SupplierPayable, credit(cost)?),
                (Account::AgencyRevenue, cost.checked_sub(deposits)?),
            ],
            Self::RefundPromised { amount, .. } => {
                vec![(Account::CustomerDeposits, amount), (Account::RefundsPayable, credit(amount)?)]
            }
            Self::RefundGranted { amount, from_deposits, .. } => vec![
                (Account::CustomerDeposits, from_deposits),
                (Account::AgencyRevenue, amount.checked_sub(from_deposits)?),
                (Account::RefundsPayable, credit(amount)?),
            ],
            Self::RefundPaid { amount, .. } => {
                vec![(Account::RefundsPayable, amount), (Account::StripeClearing, credit(amount)?)]
            }
            Self::RefundReturned { amount, .. } => {
                vec![(Account::StripeClearing, amount), (Account::RefundsPayable, credit(amount)?)]
            }
            Self::RefundFailed { amount, .. } => {
                vec![(Account::RefundsPayable, amount), (Account::CustomerDeposits, credit(amount)?)]
            }
            Self::RefundPaidByHand { amount, .. } => {
                vec![(Account::CustomerDeposits, amount), (Account::AgencyBank, credit(amount)?)]
            }
            Self::Cancelled { deposits, supplier, refunded, .. } => vec![
                (Account::CustomerDeposits, deposits),
                (Account::SupplierPayable, supplier),
                (Account::RefundsPayable, credit(refunded)?),
                (Account::AgencyRevenue, refunded.checked_sub(deposits)?.checked_sub(supplier)?),
            ],
            Self::DisputeOpened { amount, .. } => {
                vec![(Account::DisputeHold, amount), (Account::StripeClearing, credit(amount)?)]
            }
            Self::DisputeWon { amount, .. } => {
                vec![(Account::StripeClearing, amount), (Account::DisputeHold, credit(amount)?)]
            }
            Self::DisputeLost { amount, from_deposits, .. } => vec![
                (Account::CustomerDeposits, from_deposits),
                (Account::Loss, amount.checked_sub(from_deposits)?),
                (Account::DisputeHold, credit(amount)?),
            ],
            Self::DisputeCovered { amount, .. } => {
                vec![(Account::CustomerDeposits, amount), (Account::Loss, credit(amount)?)]
            }
            Self::TicketsLost { amount, .. } => {
                vec![(Account::Loss, amount), (Account::SupplierPayable, credit(amount)?)]
            }
            Self::Unexplained { amount, .. } => {
                vec![(Account::StripeClearing, amount), (Account::Suspense, credit(amount)?)]
            }
            Self::Explained { amount, .. } => {
                vec![(Account::Suspense, amount), (Account::StripeClearing, credit(amount)?)]
            }
        }
        .into_iter()
        .filter(|(_, money)| money.minor != 0)
        .collect())
    }
}

/// Writes the fact down; hearing it again writes nothing.
pub async fn post(
    tx: &mut Tx<System>,
    booking: BookingId,
    posting: &Posting,
    now: Timestamp,
) -> Result<(), AppError> {
    let entries = posting.entries()?.into_iter();
    let entries: Vec<_> =
        entries.map(|(account, money)| (account, money.minor, money.currency.code())).collect();
    write(tx, booking, posting.kind(), &posting.key(), &entries, now).await
}

/// What Stripe took for a movement of its balance, by the movement's own name, in whatever currency the agency's account is
/// held: nothing need be sold in it.
pub async fn post_fee(
    tx: &mut Tx<System>,
    booking: BookingId,
    movement: &str,
    (minor, currency): (i64, &str),
    now: Timestamp,
) -> Result<(), AppError> {
    let other = minor.checked_neg().ok_or(MoneyError::Overflow)?;
    let entries = [(Account::StripeFees, minor, currency), (Account::StripeClearing, other, currency)];
    write(tx, booking, "stripe_fee", &format!("stripe_fee:{movement}"), &entries, now).await
}

async fn write(
    tx: &mut Tx<System>,
    booking: BookingId,
    kind: &str,
    key: &str,
    entries: &[(Account, i64, &str)],
    now: Timestamp,
) -> Result<(), AppError> {
    if entries.is_empty() {
        return Ok(());
    }
    let id = sqlx::query_scalar!(
        "insert into ledger_transactions (posting_key, kind, booking_id, at) values ($1, $2, $3, $4)
         on conflict (posting_key) do nothing returning id",
        key,
        kind,
        booking.0,
        now.to_sqlx() as _,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(id) = id else { return Ok(()) };
    for (account, minor, currency) in entries {
        sqlx::query!(
            "insert into ledger_entries (transaction_id, account, amount_minor, currency) values ($1, $2, $3, $4)",
            id,
            account.code(),
            minor,
            currency,
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// What of an attempt's money lies in suspense.
pub async fn in_suspense(tx: &mut Tx<System>, attempt: AttemptId) -> Result<Vec<Money>, AppError> {
    let rows = sqlx::query!(
        r#"select e.currency, -sum(e.amount_minor)::bigint as "minor!"
             from ledger_transactions t join ledger_entries e on e.transaction_id = t.id
            where t.posting_key in ('unexplained:' || $1::text, 'explained:' || $1::text) and e.account = 'suspense'
            group by e.currency having sum(e.amount_minor) <> 0"#,
        attempt.to_string(),
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(|row| Ok(Money::new(row.minor, row.currency.parse()?))).collect()
}

/// Whether this fact is in the books already.
pub async fn is_posted(tx: &mut Tx<System>, posting: &Posting) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (select from ledger_transactions where posting_key = $1) as "posted!""#,
        posting.key(),
    )
    .fetch_one(&mut **tx)
    .await
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::Currency;

    fn every_posting(amount: i64, cost: i64) -> Vec<Posting> {
        let (attempt, refund, dispute) = (AttemptId::new(), RefundId::new(), DisputeId::new());
        let amount = Money::new(amount, Currency::Eur);
        let cost = Money::new(cost, Currency::Eur);
        vec![
            Posting::Captured { attempt, amount },
            Posting::Sold { attempt, deposits: amount, cost },
            Posting::RefundPromised { refund, amount },
            Posting::RefundGranted {
                refund,
                amount,
                from_deposits: Money::new(amount.minor.min(cost.minor), Currency::Eur),
            },
            Posting::RefundPaid { refund, amount },
            Posting::RefundReturned { refund, amount },
            Posting::RefundFailed { refund, amount },
            Posting::RefundPaidByHand { refund, amount },
            Posting::DisputeOpened { dispute, amount },
            Posting::DisputeWon { dispute, amount },
            Posting::DisputeLost {
                dispute,
                amount,
                from_deposits: Money::new(amount.minor.min(cost.minor), Currency::Eur),
            },
            Posting::DisputeCovered { dispute, amount },
            Posting::TicketsLost { booking: BookingId::new(), amount },
            Posting::Unexplained { attempt, amount },
            Posting::Explained { attempt, amount },
            Posting::Cancelled { attempt, deposits: amount, supplier: cost, refunded: amount },
        ]
    }

    proptest! {
        #[test]
        fn every_posting_sums_to_zero_and_has_two_sides(amount in 1..=i64::MAX / 4, cost in 1..=i64::MAX / 4) {
            for posting in every_posting(amount, cost) {
                let entries = posting.entries().unwrap();
                prop_assert!(entries.len() >= 2);
                prop_assert!(entries.iter().all(|(_, money)| money.minor != 0));
                let sum = Money::sum(Currency::Eur, entries.iter().map(|(_, money)| *money));
                prop_assert_eq!(sum, Ok(Money::zero(Currency::Eur)));
            }
        }
    }

    #[test]
    fn a_charge_that_becomes_a_ticket_leaves_no_deposit() {
        let balance = |account| {
            let postings = every_posting(57_140, 56_000);
            postings[..2]
                .iter()
                .flat_map(|posting| posting.entries().unwrap())
                .filter(|(of, _)| *of == account)
                .map(|(_, money)| money.minor)
                .sum::<i64>()
        };
        assert_eq!(balance(Account::StripeClearing), 57_140);
        assert_eq!(balance(Account::CustomerDeposits), 0);
        assert_eq!(balance(Account::SupplierPayable), -56_000);
        assert_eq!(balance(Account::AgencyRevenue), -1_140);
    }

    #[test]
    fn a_promised_and_paid_refund_leaves_nothing_anywhere() {
        let postings = every_posting(57_140, 57_140);
        let mut balances = std::collections::HashMap::new();
        for posting in [&postings[0], &postings[2], &postings[4]] {
            for (account, money) in posting.entries().unwrap() {
                *balances.entry(account).or_insert(0) += money.minor;
            }
        }
        assert!(balances.values().all(|balance| *balance == 0), "{balances:?}");
    }

    #[test]
    fn a_refund_that_was_paid_by_hand_leaves_what_stripe_owes_us_and_what_our_bank_paid() {
        let amount = Money::new(57_140, Currency::Eur);
        let (attempt, refund) = (AttemptId::new(), RefundId::new());
        let postings = [
            Posting::Captured { attempt, amount },
            Posting::RefundPromised { refund, amount },
            Posting::RefundPaid { refund, amount },
            Posting::RefundReturned { refund, amount },
            Posting::RefundFailed { refund, amount },
            Posting::RefundPaidByHand { refund, amount },
        ];
        let mut balances = std::collections::HashMap::new();
        for (account, money) in postings.iter().flat_map(|posting| posting.entries().unwrap()) {
            *balances.entry(account).or_insert(0) += money.minor;
        }
        balances.retain(|_, balance| *balance != 0);
        let expected = [(Account::StripeClearing, 57_140), (Account::AgencyBank, -57_140)];
        assert_eq!(balances, expected.into());
    }

    #[test]
    fn a_refund_of_a_sold_ticket_is_our_loss_and_the_supplier_is_still_owed() {
        let eur = |minor| Money::new(minor, Currency::Eur);
        let (attempt, refund) = (AttemptId::new(), RefundId::new());
        let postings = [
            Posting::Captured { attempt, amount: eur(57_140) },
            Posting::Sold { attempt, deposits: eur(57_140), cost: eur(56_000) },
            Posting::RefundGranted { refund, amount: eur(2_000), from_deposits: eur(0) },
            Posting::RefundPaid { refund, amount: eur(2_000) },
        ];
        let mut balances = std::collections::HashMap::new();
        for (account, money) in postings.iter().flat_map(|posting| posting.entries().unwrap()) {
            *balances.entry(account).or_insert(0) += money.minor;
        }
        assert_eq!(balances[&Account::StripeClearing], 55_140);
        assert_eq!(balances[&Account::SupplierPayable], -56_000);
        assert_eq!(balances[&Account::AgencyRevenue], 860);
        assert_eq!((balances[&Account::CustomerDeposits], balances[&Account::RefundsPayable]), (0, 0));
    }

    /// "customer_deposits +57140, supplier_payable -56000": what a fact moves where.
    fn written(posting: &Posting) -> String {
        let entries = posting.entries().unwrap();
        let each = entries.iter().map(|(account, money)| format!("{} {:+}", account.code(), money.minor));
        each.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn every_fact_moves_what_it_says_and_nothing_else() {
        let table = [
            ("captured", "stripe_clearing +57140, customer_deposits -57140"),
            ("sold", "customer_deposits +57140, supplier_payable -56000, agency_revenue -1140"),
            ("refund_promised", "customer_deposits +57140, refunds_payable -57140"),
            ("refund_granted", "customer_deposits +56000, agency_revenue +1140, refunds_payable -57140"),
            ("refund_paid", "refunds_payable +57140, stripe_clearing -57140"),
            ("refund_returned", "stripe_clearing +57140, refunds_payable -57140"),
            ("refund_failed", "refunds_payable +57140, customer_deposits -57140"),
            ("refund_paid_by_hand", "customer_deposits +57140, agency_bank -57140"),
            ("dispute_opened", "dispute_hold +57140, stripe_clearing -57140"),
            ("dispute_won", "stripe_clearing +57140, dispute_hold -57140"),
            ("dispute_lost", "customer_deposits +56000, loss +1140, dispute_hold -57140"),
            ("dispute_covered", "customer_deposits +57140, loss -57140"),
            ("tickets_lost", "loss +57140, supplier_payable -57140"),
            ("unexplained", "stripe_clearing +57140, suspense -57140"),
            ("explained", "suspense +57140, stripe_clearing -57140"),
            (
                "cancelled",
                "customer_deposits +57140, supplier_payable +56000, refunds_payable -57140, agency_revenue -56000",
            ),
        ];
        let postings = every_posting(57_140, 56_000);
        let told: Vec<_> = postings.iter().map(|posting| (posting.kind(), written(posting))).collect();
        assert_eq!(told, table.map(|(kind, entries)| (kind, entries.to_owned())));
    }

    #[test]
    fn a_fact_has_its_kind_and_its_subject_for_a_key() {
        let (attempt, amount) = (AttemptId::new(), Money::new(1, Currency::Eur));
        assert_eq!(Posting::Captured { attempt, amount }.key(), format!("captured:{attempt}"));
        let booking = BookingId::new();
        assert_eq!(Posting::TicketsLost { booking, amount }.key(), format!("tickets_lost:{booking}"));
    }

    #[test]
    fn two_facts_never_share_a_key() {
        let keys: std::collections::HashSet<String> =
            every_posting(1, 1).iter().chain(&every_posting(1, 1)).map(Posting::key).collect();
        assert_eq!(keys.len(), 2 * every_posting(1, 1).len());
    }
}
