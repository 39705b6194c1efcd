-- What an answer of the API says of the limits that counted it: how much is left, told by the statement that takes.
-- take_tokens() stays for the version before this one, which may run beside it; a later migration drops it.

create function take_from_bucket(
    the_rule text, the_subject bytea, wanted integer, burst integer, every interval, at timestamptz,
    out taken integer, out rest integer, out wait interval
)
    language plpgsql
as $$
declare
    base timestamptz;
    there integer;
begin
    -- Locks the row, making it first if need be. A sweep may take it away in between.
    loop
        select greatest(l.spent_to, at) into base from rate_limits l
         where l.rule = the_rule and l.subject = the_subject for update;
        exit when found;
        insert into rate_limits (rule, subject, spent_to) values (the_rule, the_subject, at) on conflict do nothing;
    end loop;
    there := greatest(0, floor(extract(epoch from (at + every * burst - base)) / extract(epoch from every)));
    taken := least(wanted, there);
    rest := there - taken;
    if taken > 0 then
        update rate_limits l set spent_to = base + every * taken where l.rule = the_rule and l.subject = the_subject;
        wait := interval '0';
    else
        wait := base + every - (at + every * burst);
    end if;
end
$$;
comment on function take_from_bucket is 'Takes up to that many tokens from a bucket of burst that gains one in every interval, and says how many are left; if there is none, how long until there is.';

revoke all on function take_from_bucket(text, bytea, integer, integer, interval, timestamptz) from public;
grant execute on function take_from_bucket(text, bytea, integer, integer, interval, timestamptz) to jetbridge_system;
