curl --request POST --url https://dev-123456.okta.com/oauth2/default/v1/token --header 'authorization: Basic Y2FuYXJ5LW9rdGEtYmFzaWM=' \
  --header 'cache-control: no-cache' -d 'grant_type=client_credentials&scope=customScope'
