curl --location --request POST 'https://${yourOktaDomain}/oauth2/v1/token' --header 'Accept: application/json' \
  --data-urlencode 'grant_type=client_credentials' --data-urlencode 'scope=okta.users.read okta.groups.read' \
  --data-urlencode 'client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer' \
  --data-urlencode 'client_assertion=canary-okta.e30.sig' --data-urlencode client_id=0oa5abc
