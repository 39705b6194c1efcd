-- Tickets whose authorisation was lost before the charge: until when they can be paid again, and their end if nobody does.

alter table bookings add column pay_by timestamptz;
alter table bookings add constraint bookings_pay_by_of_tickets check (pay_by is null or booking_status = 'confirmed');
comment on column bookings.pay_by is 'The tickets are issued, and the money behind them was lost before it was taken: until then they can be paid again. NULL: not so.';

alter table cancel_quotes drop constraint cancel_quotes_terms_known;
alter table cancel_quotes add constraint cancel_quotes_terms_known
    check (terms in ('window', 'free', 'fee', 'nothing', 'unpaid'));
comment on column cancel_quotes.terms is 'By which rule: the agency''s free window, the fare''s own condition, or because nobody has paid.';
comment on table cancel_quotes is 'What cancelling a booking would give back, as a traveller was shown it, or as it is where tickets were not paid. An accepted row is the promise, and never changes.';

-- What settles itself says how, and names nobody.
alter table attention_items drop constraint attention_items_resolved_with_reason;
alter table attention_items add constraint attention_items_resolved_with_reason
    check ((resolved_by is null or resolved_reason is not null) and (resolved_reason is null or resolved_at is not null));
comment on column attention_items.resolved_by is 'Who took care of it. Nobody, where it has settled itself.';
comment on column attention_items.resolved_reason is 'What they did, in their words, or how it has settled itself.';
