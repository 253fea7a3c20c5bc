#!/bin/sh
# What git signs and checks with: ssh-keygen, talking to the one ssh-agent that signs commits.
SSH_AUTH_SOCK=/run/claude-bottle/sign.sock exec ssh-keygen "$@"
