# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What our users send carries the signatures of their domain, which others can verify."""

import re

import mail
import world

ALTERED = "sed s/Hello/Hullo/ %s | opendkim-testmsg"


def signatures(machine):
    return {f"{selector}@{world.domain(machine)}": True for selector in world.selectors(machine, "signing")}


def test_a_users_message_has_two_signatures_that_others_verify(machine, outside, wait_for):
    file = outside.wait_for_message(wait_for, world.submit(machine, world.address(machine, "alice"), world.FRIEND))
    assert outside.verify(file)["signatures"] == signatures(machine)
    assert outside.machine.run("opendkim-testmsg < %s", file).rc == 0
    assert "Bad signature" in outside.machine.run(ALTERED, file).stderr


def test_our_other_server_takes_it_for_genuine(machine, neighbour, wait_for):
    other = next(each for each in map(neighbour, ("mail-d12", "mail-d13")) if each.name != machine.name)
    bob = world.address(other, "bob")
    message_id = world.submit(machine, world.address(machine, "alice"), bob)
    text = mail.wait_for_message(other, wait_for, bob, message_id).decode()
    verdict = re.search(r"(?s)^Authentication-Results:.*?(?=^\S)", text.split("\r\n\r\n")[0], re.MULTILINE)[0]
    for result in ("dkim=pass", "spf=pass", "dmarc=pass"):
        assert result in verdict


def test_a_message_of_a_program_is_signed(machine, outside, wait_for):
    sender = world.address(machine, "alice")
    message_id, data = world.compose(sender, world.FRIEND)
    machine.host.check_output("printf %%s %s | sendmail -f %s %s", data.decode().replace("\r", ""), sender, world.FRIEND)
    file = outside.wait_for_message(wait_for, message_id)
    assert outside.verify(file)["signatures"] == signatures(machine)


def test_a_forgery_is_not_signed_when_a_users_filter_forwards_it(machine, outside, wait_for):
    """It names no policy of its own, so that it gets as far as the filter."""
    erin = world.address(machine, "erin")
    machine.host.check_output(
        "printf %%s %s | doveadm sieve put -a -u %s forward", 'require "copy"; redirect :copy "friend@outside.test";', erin
    )
    try:
        message_id = world.arrive(machine, "stranger@elsewhere.test", erin)
        file = outside.wait_for_message(wait_for, message_id)
    finally:
        machine.host.check_output("doveadm sieve delete -a -u %s forward", erin)
    assert outside.verify(file)["signatures"] == {}
