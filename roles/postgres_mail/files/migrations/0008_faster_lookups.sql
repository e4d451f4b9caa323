-- SPDX-FileCopyrightText: virtmail.mailserver contributors
-- SPDX-License-Identifier: GPL-3.0-or-later

-- What is asked for each message and each login. A function in SQL is planned anew at each call, which takes longer than to
-- run it; PL/pgSQL keeps the plans as long as the connection lasts. They are kept for a directory of any size: without
-- enable_seqscan = off, one that was planned for an empty table would read all of the full one until it is analyzed.

CREATE OR REPLACE FUNCTION mail_internal.is_active_mailbox(address text) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
  RETURN EXISTS (
    SELECT FROM public.virtual_users AS account
    JOIN public.virtual_domains AS domain ON domain.id = account.domain_id
    WHERE account.email = address AND account.active AND domain.active
  );
END
$$;

CREATE OR REPLACE FUNCTION mail_internal.is_taken(address text) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
  RETURN EXISTS (SELECT FROM public.virtual_users WHERE email = address)
    OR EXISTS (SELECT FROM public.virtual_aliases WHERE source = address);
END
$$;

CREATE OR REPLACE FUNCTION mail_internal.final_addresses(address text) RETURNS SETOF text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
  RETURN QUERY
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
    WHERE NOT EXISTS (SELECT FROM public.virtual_domains WHERE name = mail_internal.domain_part(step));
END
$$;

CREATE OR REPLACE FUNCTION mail_lookup.mailbox_domain(domain text) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$ BEGIN RETURN QUERY SELECT name FROM public.virtual_domains WHERE name = lower(domain); END $$;

-- For a copy of them on the mail host. Inactive ones are among them, as above.
CREATE FUNCTION mail_lookup.mailbox_domains() RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT name FROM public.virtual_domains ORDER BY name $$;

CREATE OR REPLACE FUNCTION mail_lookup.mailbox(address text) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN RETURN QUERY SELECT lower(address) WHERE mail_internal.is_active_mailbox(lower(address)); END $$;

-- An active user's address without an alias leads to itself: Postfix need not ask then whether it is a mailbox.
CREATE OR REPLACE FUNCTION mail_lookup.alias(address text) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
  asked constant text := lower(address);
  has_alias constant boolean := EXISTS (SELECT FROM public.virtual_aliases WHERE source = asked);
BEGIN
  IF NOT has_alias AND mail_internal.is_active_mailbox(asked) THEN
    RETURN NEXT asked;
  ELSIF has_alias OR NOT mail_internal.is_taken(mail_internal.without_extension(asked)) THEN
    RETURN QUERY
      SELECT following
      FROM mail_internal.next_addresses(asked) AS following
      WHERE EXISTS (SELECT FROM mail_internal.final_addresses(following))
        AND (
          mail_internal.without_extension(following) <> mail_internal.without_extension(asked)
          OR mail_internal.is_active_mailbox(mail_internal.without_extension(following))
        );
  END IF;
END
$$;

CREATE OR REPLACE FUNCTION mail_lookup.sender_login(address text) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  asked constant text := lower(address);
  box constant text := mail_internal.without_extension(asked);
BEGIN
  IF mail_internal.is_active_mailbox(box) THEN
    RETURN NEXT box;
  ELSE
    RETURN QUERY
      SELECT final
      FROM mail_internal.final_addresses(asked) AS final
      WHERE mail_internal.is_active_mailbox(final)
        AND mail_internal.organization_of(final) IS NOT DISTINCT FROM mail_internal.organization_of(asked);
  END IF;
END
$$;

CREATE OR REPLACE FUNCTION mail_lookup.passdb(login text) RETURNS TABLE (username text, password text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
  RETURN QUERY
    SELECT account.email, account.password FROM public.virtual_users AS account
    WHERE account.email = lower(login) AND mail_internal.is_usable_mailbox(account.email);
END
$$;

CREATE OR REPLACE FUNCTION mail_lookup.userdb(login text) RETURNS TABLE (username text, quota_bytes bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
  RETURN QUERY
    SELECT account.email, account.quota_bytes FROM public.virtual_users AS account
    WHERE account.email = lower(login) AND mail_internal.is_usable_mailbox(account.email);
END
$$;

CREATE OR REPLACE FUNCTION mail_internal.domains_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  names text[];
BEGIN
  IF TG_OP = 'INSERT' THEN
    names := ARRAY(SELECT name FROM new_rows);
  ELSIF TG_OP = 'DELETE' THEN
    names := ARRAY(SELECT name FROM old_rows);
  ELSE
    names := ARRAY(
      SELECT unnest(CASE WHEN before.name = after.name THEN ARRAY[after.name] ELSE ARRAY[before.name, after.name] END)
      FROM old_rows AS before
      JOIN new_rows AS after USING (id)
      WHERE (before.name, before.active) IS DISTINCT FROM (after.name, after.active)
    );
  END IF;
  PERFORM mail_internal.notify_directory('domain', names);
  RETURN NULL;
END
$$;

CREATE TRIGGER mail_directory_insert AFTER INSERT ON public.virtual_domains
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION mail_internal.domains_changed();

REVOKE ALL ON FUNCTION mail_lookup.mailbox_domains() FROM PUBLIC;
