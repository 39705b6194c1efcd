-- A payment that did not fit is given back as it stood at Stripe, and the traveller is told just that.

alter table attempts
    add column let_go_minor bigint constraint attempts_let_go_positive check (let_go_minor > 0),
    add column let_go_currency text constraint attempts_let_go_currency_form check (let_go_currency ~ '^[A-Z]{3}$'),
    add column let_go_was_taken boolean,
    add constraint attempts_let_go_whole check (num_nulls(let_go_minor, let_go_currency, let_go_was_taken) in (0, 3));
comment on column attempts.let_go_minor is 'What stood at Stripe when a payment out of quarantine was let go; it need not be what had been accepted.';
comment on column attempts.let_go_currency is 'In which currency that was.';
comment on column attempts.let_go_was_taken is 'It had been charged, and was refunded in Stripe''s dashboard; otherwise it was only set aside.';
