-- Limits: how often one network, one account or one address may do something. Kept here, so that they hold for any number
-- of processes. Unlogged: after a crash everybody starts with a full bucket, which is a fair price for cheap writes.

create unlogged table rate_limits (
    rule     text not null constraint rate_limits_rule_form check (rule ~ '^[a-z-]{1,40}$'),
    subject  bytea not null constraint rate_limits_subject_is_hmac check (octet_length(subject) = 32),
    spent_to timestamptz not null,
    primary key (rule, subject)
) with (fillfactor = 70);
comment on table rate_limits is 'Who has used how much of a limit. A row that lies in the past says nothing and is swept out.';
comment on column rate_limits.subject is 'Keyed hash of whom it is about: no address of a person or a network stands here.';
comment on column rate_limits.spent_to is 'When the bucket is full again if nothing more is taken (GCRA''s theoretical arrival time).';

create unlogged table sign_in_delays (
    subject bytea primary key constraint sign_in_delays_subject_is_hmac check (octet_length(subject) = 32),
    tries   integer not null constraint sign_in_delays_tries_positive check (tries > 0),
    tried_at timestamptz not null,
    next_at timestamptz not null constraint sign_in_delays_next_later check (next_at >= tried_at)
) with (fillfactor = 70);
comment on table sign_in_delays is 'Tries to sign in since the last that succeeded: for each address by unknown browsers, and for each known browser alone.';
comment on column sign_in_delays.subject is 'Keyed hash of the address or of the browser. An address without an account has its row as well.';
comment on column sign_in_delays.next_at is 'Before this nothing is tried.';

alter table rate_limits enable row level security;
alter table rate_limits force row level security;
alter table sign_in_delays enable row level security;
alter table sign_in_delays force row level security;
grant select, insert, update, delete on rate_limits, sign_in_delays to jetbridge_system;
create policy rate_limits_system on rate_limits to jetbridge_system using (true) with check (true);
create policy sign_in_delays_system on sign_in_delays to jetbridge_system using (true) with check (true);

create function take_tokens(
    the_rule text, the_subject bytea, wanted integer, burst integer, every interval, at timestamptz,
    out taken integer, out wait interval
)
    language plpgsql
as $$
declare
    base timestamptz;
begin
    -- Locks the row, making it first if need be. A sweep may take it away in between.
    loop
        select greatest(l.spent_to, at) into base from rate_limits l
         where l.rule = the_rule and l.subject = the_subject for update;
        exit when found;
        insert into rate_limits (rule, subject, spent_to) values (the_rule, the_subject, at) on conflict do nothing;
    end loop;
    taken := least(wanted, floor(extract(epoch from (at + every * burst - base)) / extract(epoch from every)));
    if taken > 0 then
        update rate_limits l set spent_to = base + every * taken where l.rule = the_rule and l.subject = the_subject;
        wait := interval '0';
    else
        taken := 0;
        wait := base + every - (at + every * burst);
    end if;
end
$$;
comment on function take_tokens is 'Takes up to that many tokens from a bucket of burst that gains one in every interval; if there is none, how long until there is.';

create function begin_sign_in(the_subject bytea, free integer, first interval, longest interval, forgotten_after interval, at timestamptz)
    returns interval
    language plpgsql
as $$
declare
    row sign_in_delays;
begin
    loop
        select * into row from sign_in_delays d where d.subject = the_subject for update;
        exit when found;
        insert into sign_in_delays (subject, tries, tried_at, next_at) values (the_subject, 1, at, at) on conflict do nothing;
        if found then
            return interval '0';
        end if;
    end loop;
    if at < row.next_at then
        return row.next_at - at;
    end if;
    row.tries := case when row.tried_at + forgotten_after <= at then 1 else row.tries + 1 end;
    update sign_in_delays d
       set tries = row.tries,
           tried_at = at,
           -- The exponent is bounded, or the power would outgrow an interval.
           next_at = at + case when row.tries < free then interval '0'
                               else least(longest, first * power(2, least(row.tries - free, 30))) end
     where d.subject = the_subject;
    return interval '0';
end
$$;
comment on function begin_sign_in is 'Counts a try to sign in before it is made, or says how long to wait first: nothing for the first free ones, then twice as long each time.';

revoke all on function take_tokens(text, bytea, integer, integer, interval, timestamptz) from public;
revoke all on function begin_sign_in(bytea, integer, interval, interval, interval, timestamptz) from public;
grant execute on function take_tokens(text, bytea, integer, integer, interval, timestamptz) to jetbridge_system;
grant execute on function begin_sign_in(bytea, integer, interval, interval, interval, timestamptz) to jetbridge_system;
