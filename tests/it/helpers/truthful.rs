//! What every booking's page says of money, held to what Stripe has at that moment: nobody is ever told an untruth.

use jetbridge::{
    checkout::pages::news::news,
    db::Traveller,
    ids::{BookingReference, Token},
    money::{Currency, Money},
    sandbox::stripe::Intent,
};
use jiff::SignedDuration;

use super::app::TestApp;

/// After an amount: it has gone back, and Stripe has sent it.
const GONE: [&str; 3] =
    [" went back to the card", " went back to where you paid from", " was not needed and was refunded"];

/// All that Stripe has of one booking.
struct Facts {
    intents: Vec<Intent>,
    /// Refunds that have succeeded, and what banks have decided to keep for the traveller.
    back: Vec<Money>,
    by_banks: Vec<Money>,
}

impl TestApp {
    /// For tests in which all that Stripe had to tell has been heard.
    pub(super) async fn pages_tell_the_truth(&self) {
        let bookings = "select concat_ws('|', id, booking_reference, user_id) from bookings
                         where id in (select booking_id from attempts)";
        for row in self.texts(bookings).await {
            let mut parts = row.split('|');
            let (id, reference) = (parts.next().expect("an id"), parts.next().expect("a reference"));
            let traveller = match parts.next() {
                Some(user) => Traveller::Account(user.parse().expect("a user")),
                None => self.by_a_link(id).await,
            };
            let reference: BookingReference = reference.parse().expect("a reference");
            let standing = self.checkout.standing(traveller, &reference).await.expect("a standing");
            let news = news(&standing, self.now());
            let told = format!("{}. {}", news.headline, news.sentence);
            let state = standing.file.booking.state;
            let untrue = self.facts(id).untruths(&told, state.has_ended(), standing.is_frozen());
            if !untrue.is_empty() {
                panic!("{reference}, {state:?}: {untrue:?}: {told}\n{:#?}", self.our_word(id).await);
            }
        }
    }

    /// What our books have of it.
    async fn our_word(&self, booking: &str) -> Vec<String> {
        let all = "select concat_ws(' ', 'refund', state, amount_minor, origin, stripe_refund_id, attempt_id) from refunds
                    where booking_id = '{booking}'
                   union all
                   select concat_ws(' ', 'item', kind, detail, resolved_reason) from attention_items where booking_id = '{booking}'
                   union all
                   select concat_ws(' ', at, kind, data) from booking_events where booking_id = '{booking}'";
        self.texts(&all.replace("{booking}", booking)).await
    }

    async fn by_a_link(&self, booking: &str) -> Traveller {
        let (hash, now) = (Token::random().hash(), self.now());
        let until = now + SignedDuration::from_hours(1);
        self.execute(&format!(
            "insert into booking_links (token_hash, booking_id, created_at, expires_at)
             values (decode('{}', 'hex'), '{booking}', '{now}', '{until}')",
            hex::encode(hash.0)
        ))
        .await;
        Traveller::Link(hash)
    }

    fn facts(&self, booking: &str) -> Facts {
        let is_its = |intent: &Intent| intent.metadata.get("booking_id").is_some_and(|id| id == booking);
        let intents: Vec<Intent> = self.stripe.intents().into_iter().filter(is_its).collect();
        let is_of = |intent: &str| intents.iter().any(|its| its.id == intent);
        let refunds = self.stripe.refunds();
        let back =
            refunds.iter().filter(|refund| is_of(&refund.payment_intent) && refund.status == "succeeded");
        let disputes = self.stripe.disputes();
        let lost =
            disputes.iter().filter(|dispute| is_of(&dispute.payment_intent) && dispute.status == "lost");
        Facts {
            back: back.map(|refund| money(refund.amount, &refund.currency)).collect(),
            by_banks: lost.map(|dispute| money(dispute.amount, &dispute.currency)).collect(),
            intents,
        }
    }
}

impl Facts {
    fn untruths(&self, told: &str, has_ended: bool, is_frozen: bool) -> Vec<String> {
        let mut untrue = Vec::new();
        let mut hold = |is_true: bool, what: String| {
            if !is_true {
                untrue.push(what);
            }
        };
        let received: i64 = self.intents.iter().map(|intent| intent.received).sum();
        for words in ["othing was charged", "You are not charged"] {
            hold(!told.contains(words) || received == 0, format!("“{words}”, of {received}"));
        }
        let is_aside = self.intents.iter().any(|intent| intent.status == "requires_capture");
        hold(!told.contains(" has set ") || is_aside, "nothing is set aside".to_owned());
        let gone: Vec<Money> = GONE.iter().flat_map(|words| amounts_before(told, words)).collect();
        // Of a booking that goes on, what bought its tickets is told by its timeline; of a payment that a person looks at, what
        // somebody has sent back in Stripe's dashboard meanwhile is in no book of ours.
        let is_told =
            if is_frozen { are_part_of(&gone, &self.back) } else { sums(&gone) == sums(&self.back) };
        if has_ended || !gone.is_empty() {
            hold(is_told, format!("{gone:?} went back, and Stripe sent {:?}", self.back));
        }
        let by_banks: Vec<Money> = amounts_before(told, " itself").collect();
        if has_ended || !by_banks.is_empty() {
            hold(
                sums(&by_banks) == sums(&self.by_banks),
                format!("banks gave {by_banks:?}, and by Stripe {:?}", self.by_banks),
            );
        }
        let left = received - self.back.iter().chain(&self.by_banks).map(|money| money.minor).sum::<i64>();
        for words in ["is on its way back", "You get back", "still comes back", "still owed to you"] {
            hold(!told.contains(words) || left > 0, format!("“{words}”, of {left}"));
        }
        untrue
    }
}

fn money(minor: i64, currency: &str) -> Money {
    Money::new(minor, currency.parse().expect("a currency"))
}

/// One sum per currency.
fn sums(amounts: &[Money]) -> Vec<Money> {
    let of = |currency: Currency| {
        let its = amounts.iter().filter(move |money| money.currency == currency).copied();
        Money::sum(currency, its).expect("a sum")
    };
    Currency::ALL.into_iter().map(of).filter(|sum| sum.minor != 0).collect()
}

fn are_part_of(some: &[Money], all: &[Money]) -> bool {
    let all = sums(all);
    let fits = |some: &Money| all.iter().any(|all| all.currency == some.currency && all.minor >= some.minor);
    sums(some).iter().all(fits)
}

/// Amounts in a text have a no-break space inside, so that each is a word; other words are not meant.
fn amounts_before<'a>(told: &'a str, words: &'a str) -> impl Iterator<Item = Money> + 'a {
    told.match_indices(words).filter_map(move |(at, _)| {
        let word = told.get(..at)?.rsplit(' ').next()?;
        let (currency, amount) = word.split_once('\u{a0}')?;
        Money::read(&amount.replace(',', ""), currency.parse().ok()?).ok()
    })
}
