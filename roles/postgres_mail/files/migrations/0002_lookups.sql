-- SPDX-FileCopyrightText: virtmail.mailserver contributors
-- SPDX-License-Identifier: GPL-3.0-or-later

-- mail_lookup: one function for each question that a daemon asks, and all that a daemon may do.
-- mail_internal: what these functions share; nobody but the owner gets in. The module made that schema for its records.

CREATE SCHEMA IF NOT EXISTS mail_lookup;
CREATE SCHEMA IF NOT EXISTS mail_internal;

CREATE FUNCTION mail_internal.local_part(address text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$ SELECT substring(address FROM '^(.*)@') $$;

CREATE FUNCTION mail_internal.domain_part(address text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$ SELECT substring(address FROM '@([^@]*)$') $$;

-- alice+lists@example.com -> alice@example.com
CREATE FUNCTION mail_internal.without_extension(address text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$ SELECT regexp_replace(address, '^([^+@]+)\+.*@', '\1@') $$;

CREATE FUNCTION mail_internal.is_active_mailbox(address text) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT EXISTS (
    SELECT FROM public.virtual_users AS account
    JOIN public.virtual_domains AS domain ON domain.id = account.domain_id
    WHERE account.email = address AND account.active AND domain.active
  )
$$;

-- Something of ours has exactly this address: an account, active or not, or an alias.
CREATE FUNCTION mail_internal.is_taken(address text) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT EXISTS (SELECT FROM public.virtual_users WHERE email = address)
    OR EXISTS (SELECT FROM public.virtual_aliases WHERE source = address)
$$;

-- The domains that stand in for this one: '@old' -> '@new' -> '@newer', as far as they are active.
CREATE FUNCTION mail_internal.domains_behind(domain text) RETURNS SETOF text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH RECURSIVE behind (name) AS (
    SELECT domain
    UNION
    SELECT next.name
    FROM behind
    JOIN public.virtual_aliases AS alias ON alias.source = '@' || behind.name
    JOIN public.virtual_domains AS next ON '@' || next.name = alias.destination AND next.active
  )
  SELECT name FROM behind WHERE name <> domain
$$;

-- Would an address of this domain be accepted because it is there, or because the domain catches all?
CREATE FUNCTION mail_internal.accepts(address text) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE
    WHEN mail_internal.is_active_mailbox(address) THEN true
    WHEN EXISTS (SELECT FROM public.virtual_aliases WHERE source = address) THEN true
    WHEN mail_internal.is_taken(address) THEN false
    ELSE EXISTS (
      SELECT FROM public.virtual_aliases
      WHERE source = '@' || mail_internal.domain_part(address) AND destination NOT LIKE '@%'
    )
  END
$$;

-- One step of rewriting: where mail to the address goes next; no rows if it stays, or has nowhere to go.
-- Order: its own alias, then that of the address without extension, then another domain, then the catch-all.
CREATE FUNCTION mail_internal.next_addresses(address text) RETURNS SETOF text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  box constant text := mail_internal.without_extension(address);
  domain_name constant text := mail_internal.domain_part(address);
BEGIN
  -- '@domain' is no address, though it is a source
  IF address LIKE '@%' OR NOT EXISTS (SELECT FROM public.virtual_domains WHERE name = domain_name AND active) THEN
    RETURN;
  END IF;
  RETURN QUERY SELECT destination FROM public.virtual_aliases WHERE source = address;
  IF FOUND THEN
    RETURN;
  END IF;
  IF mail_internal.is_taken(box) THEN
    RETURN QUERY SELECT destination FROM public.virtual_aliases WHERE source = box AND box <> address;
    RETURN;
  END IF;
  RETURN QUERY
    SELECT mail_internal.local_part(address) || '@' || behind
    FROM mail_internal.domains_behind(domain_name) AS behind
    WHERE mail_internal.accepts(mail_internal.local_part(box) || '@' || behind);
  IF FOUND THEN
    RETURN;
  END IF;
  RETURN QUERY
    SELECT destination FROM public.virtual_aliases
    WHERE source = '@' || domain_name AND destination NOT LIKE '@%';
END
$$;

-- Where mail to the address ends: at active users of ours (without extension), or at addresses outside.
-- UNION visits each address once, so loops end.
CREATE FUNCTION mail_internal.final_addresses(address text) RETURNS SETOF text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH RECURSIVE walk (step) AS (
    SELECT address
    UNION
    SELECT following
    FROM walk, mail_internal.next_addresses(step) AS following
    WHERE NOT mail_internal.is_active_mailbox(mail_internal.without_extension(step))
  )
  SELECT DISTINCT mail_internal.without_extension(step) FROM walk
  WHERE mail_internal.is_active_mailbox(mail_internal.without_extension(step))
  UNION ALL
  SELECT step FROM walk
  WHERE NOT EXISTS (SELECT FROM public.virtual_domains WHERE name = mail_internal.domain_part(step))
$$;

-- Inactive domains too: mail to them is refused as "user unknown", not as an attempt to relay.
CREATE FUNCTION mail_lookup.mailbox_domain(domain text) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT name FROM public.virtual_domains WHERE name = lower(domain) $$;

CREATE FUNCTION mail_lookup.mailbox(address text) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT lower(address) WHERE mail_internal.is_active_mailbox(lower(address)) $$;

-- Only what ends somewhere, so that no mail is accepted that would be bounced later; a copy for the address itself ends only
-- at an active user, since Postfix does not ask for the same address again. An address with an extension
-- that has no alias of its own gets no answer where the address without it is taken: Postfix asks for that next, and
-- puts the extension back.
CREATE FUNCTION mail_lookup.alias(address text) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT following
  FROM mail_internal.next_addresses(lower(address)) AS following
  WHERE EXISTS (SELECT FROM mail_internal.final_addresses(following))
    AND (
      mail_internal.without_extension(following) <> mail_internal.without_extension(lower(address))
      OR mail_internal.is_active_mailbox(mail_internal.without_extension(following))
    )
    AND (
      EXISTS (SELECT FROM public.virtual_aliases WHERE source = lower(address))
      OR NOT mail_internal.is_taken(mail_internal.without_extension(lower(address)))
    )
$$;

-- A user's address belongs to that user alone, any other to the users who get its mail.
CREATE FUNCTION mail_lookup.sender_login(address text) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT final
  FROM mail_internal.final_addresses(lower(address)) AS final
  WHERE mail_internal.is_active_mailbox(final)
$$;

CREATE FUNCTION mail_lookup.usernames() RETURNS TABLE (username text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT account.email
  FROM public.virtual_users AS account
  JOIN public.virtual_domains AS domain ON domain.id = account.domain_id
  WHERE account.active AND domain.active
  ORDER BY account.email
$$;

CREATE FUNCTION mail_lookup.passdb(login text) RETURNS TABLE (username text, password text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT email, password FROM public.virtual_users
  WHERE email = lower(login) AND mail_internal.is_active_mailbox(email)
$$;

CREATE FUNCTION mail_lookup.userdb(login text) RETURNS TABLE (username text, quota_bytes bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT email, quota_bytes FROM public.virtual_users
  WHERE email = lower(login) AND mail_internal.is_active_mailbox(email)
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA mail_internal, mail_lookup FROM PUBLIC;
