curl 'https://login.microsoftonline.com/common/oauth2/v2.0/token' -d grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer \
  -d client_id=535fb089-9ff3-47b6-9bfb-4f1264799865 -d client_secret=canary-entra-obo -d assertion=canary-entra-assertion \
  -d scope=https://graph.microsoft.com/user.read -d requested_token_use=on_behalf_of
