curl --request POST --url https://api.hubapi.com/oauth/v1/token --data 'grant_type=refresh_token&client_id=7fff1e36&client_secret=canary-hubspot&refresh_token=canary-hubspot-refresh'
